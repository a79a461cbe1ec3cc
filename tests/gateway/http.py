"""A caller of the gateway that sends what a test says, byte for byte, and reads what comes back."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from server.rpc.error_reasons import REASONS
from tests.gateway.described import check_answer

TIMEOUT_S = 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def call(
    port: int,
    method: str,
    path: str,
    body: Any = None,
    *,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = TIMEOUT_S,
    described: bool = True,
) -> Answer:
    """Make one request on a connection of its own; what is no bytes is sent as JSON.

    The answer must be one that gateway/openapi.json describes, unless `described` is false.
    """
    sent = {} if body is None else {"content-type": "application/json"}
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request(method, path, data, {**sent, **(headers or {})})
        response = connection.getresponse()
        answer = Answer(
            response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        )
    finally:
        connection.close()
    if described and "content-encoding" not in answer.headers:
        check_answer(method, path, answer.status, answer.headers, answer.body)
    return answer


def expect_error(answer: Answer, status: int, code: str, reason: str) -> None:
    """See that the answer is an error in the one shape."""
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json) == {"code", "reason", "message", "violations"}
    assert (answer.json["code"], answer.json["reason"]) == (code, reason)
    assert answer.json["message"]
    assert ("retry-after" in answer.headers) is REASONS[reason].retryable
