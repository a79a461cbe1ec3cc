"""Many callers of Track: as many calls as 200 of them get answered, or a fixed number of calls a second."""

import math
import time
from collections.abc import Sequence

from bench.clients.http2_client import ANSWER_TIMEOUT_S, JSON, Answer, UnaryConnection
from sociallive.analytics.v1.track_pb2 import EventStatus, TrackResponse

METHOD = "/sociallive.analytics.v1.AnalyticsService/Track"
REST_PATH = "/analytics/events/track"
CALLERS = 200


def saturate(address: str, messages: Sequence[bytes], callers: int = CALLERS, *, key: str = "") -> float:
    """Make a call with each message, always `callers` of them under way; return how many were answered a second."""
    with UnaryConnection(address, METHOD, key=key) as connection:
        answers, per_s = _saturate(connection, messages, callers)
    _check(answers)
    return per_s


def saturate_json(address: str, bodies: Sequence[bytes], callers: int = CALLERS) -> float:
    """As `saturate`, with JSON bodies through the gateway, by the same client."""
    with UnaryConnection(address, REST_PATH, JSON) as connection:
        answers, per_s = _saturate(connection, bodies, callers)
    stored = sum(b"STORED" in answer.message for answer in answers)
    if stored < len(answers):
        raise SystemExit(f"{len(answers) - stored} of {len(answers)} calls by REST were not answered with STORED")
    return per_s


def _saturate(connection: UnaryConnection, messages: Sequence[bytes], callers: int) -> tuple[Sequence[Answer], float]:
    """Return all responses, and how many came a second."""
    answers: list[Answer] = []
    sent = callers
    started_at = time.perf_counter()
    connection.send(messages[:callers])
    while len(answers) < len(messages):
        received = connection.receive(ANSWER_TIMEOUT_S)
        if not received:
            raise SystemExit(f"no answer to Track within {ANSWER_TIMEOUT_S:.0f} s")
        answers += received
        connection.send(messages[sent : sent + len(received)])
        sent += len(received)
    return answers, len(messages) / (time.perf_counter() - started_at)


def offer(address: str, messages: Sequence[bytes], calls_per_s: float, *, key: str = "") -> list[float]:
    """Make a call with each message on a fixed schedule, whether or not earlier ones are answered.

    Returns:
        Each call's milliseconds from the moment it was due until its response was here, ascending: a call that is sent
        late, because the client or the server was held up, counts from when it should have been sent.
    """
    answers: list[Answer] = []
    latencies_ms = []
    sent = 0
    with UnaryConnection(address, METHOD, key=key) as connection:
        started_at = last_answer_at = time.perf_counter()
        while len(answers) < len(messages):
            now = time.perf_counter()
            due = min(len(messages), 1 + math.floor((now - started_at) * calls_per_s))
            connection.send(messages[sent:due])
            sent = max(sent, due)
            next_at = started_at + sent / calls_per_s if sent < len(messages) else now + ANSWER_TIMEOUT_S
            received = connection.receive(max(0.0, next_at - now))
            now = time.perf_counter()
            if received:
                last_answer_at = now
            elif now - last_answer_at > ANSWER_TIMEOUT_S:
                raise SystemExit(f"no answer to Track within {ANSWER_TIMEOUT_S:.0f} s")
            answers += received
            latencies_ms += [(now - started_at - answer.number / calls_per_s) * 1000 for answer in received]
    _check(answers)
    return sorted(latencies_ms)


def percentile(ascending: Sequence[float], percent: float) -> float:
    """Return the least value that `percent` of the values do not exceed."""
    return ascending[math.ceil(len(ascending) * percent / 100) - 1]


def _check(answers: Sequence[Answer]) -> None:
    """Make sure that every call was answered with STORED."""
    stored = sum(
        answer.status == 0 and TrackResponse.FromString(answer.message).status == EventStatus.EVENT_STATUS_STORED
        for answer in answers
    )
    if stored < len(answers):
        raise SystemExit(f"{len(answers) - stored} of {len(answers)} calls of Track were not answered with STORED")
