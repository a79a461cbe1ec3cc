"""Writes docs/errors.md from the reasons of errors.proto: what each means, its status, and whether to send again.

Usage: python -m tools.error_docs DESCRIPTORS > docs/errors.md, where DESCRIPTORS is what `buf build` wrote.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from server.processes.listening import READ_SIZE_FACTOR
from server.rpc.error_reasons import BROKEN_CONNECTIONS, IN_ANSWERS, REASONS, name_of
from server.rpc.errors import DOMAIN
from sociallive.analytics.v1.errors_pb2 import ErrorReason
from tools.proto_comments import Comments, read_comments

PREFACE = f"""# Errors

<!-- Written by `make gen` from errors.proto: change that. -->

A failed call returns a status code and a `google.rpc.Status` with these details:

| detail | content |
| --- | --- |
| `google.rpc.ErrorInfo` | `reason`, a name of the tables below, and the domain `{DOMAIN}` |
| `google.rpc.BadRequest` | each invalid field, with the rule that it breaks and the allowed values |
| `google.rpc.RetryInfo` | how long to wait before you send the same request again; present only if that can succeed |

Over REST the body is `{{"code", "reason", "message", "violations"}}`, and `retry-after` stands for RetryInfo.

## What to send again
1. With a RetryInfo (over REST: `retry-after`): send the same request again after its delay. Double the wait
   with each attempt.
2. With an ErrorInfo and no RetryInfo (over REST: a `reason` and no `retry-after`): do not send the same request again.
   It fails again, or an operator has to act first.
3. Without an ErrorInfo the status comes from gRPC itself, and the last table says what to do. Over REST, the
   same applies if the connection breaks before a response.

Sending events again is safe if they have an `event_id`: each is stored once. Reports change nothing.
"""
IN_ANSWERS_TEXT = """
## Reasons in responses
A Rejection has a reason of the first table above, and a ReplayResult may also have one of these:

| reason | what it means, and what to do |
| --- | --- |
"""
BROKEN_TEXT = {
    "UNAVAILABLE": "The server cannot be reached, or the connection broke.",
    "CANCELLED": "The connection broke, for example because the server was killed; or the caller cancelled.",
    "DEADLINE_EXCEEDED": "The caller's own deadline passed.",
    "INTERNAL": "The connection broke in the middle of a message.",
    "UNKNOWN": "The connection broke, or a proxy responded in the server's place.",
}
REFUSED_TEXT = {
    "RESOURCE_EXHAUSTED": f"The message is larger than {READ_SIZE_FACTOR} times ANALYTICS_MAX_MESSAGE_BYTES; or the "
    "response is larger than the client accepts. Split the request, or raise the client's limit.",
    "UNIMPLEMENTED": "The server has no such method.",
}
AFTERWORD = """
`analytics import` follows these rules.
"""


def write_document(comments: Comments) -> str:
    """Write the whole document."""
    enum = ErrorReason.DESCRIPTOR
    meanings = {name_of(value): comments[f"{enum.full_name}.{value.name}"] for value in enum.values}
    lines = [PREFACE, "## Reasons", *_reasons(meanings, retryable=False), "", *_reasons(meanings, retryable=True)]
    lines.append(IN_ANSWERS_TEXT.rstrip())
    lines += [f"| `{name}` | {meaning} |" for name, meaning in meanings.items() if name in IN_ANSWERS]
    lines += ["", "## Statuses without a reason", "| code | what happened | send again? |", "| --- | --- | --- |"]
    codes = sorted(code.name for code in BROKEN_CONNECTIONS)
    lines += [f"| `{code}` | {BROKEN_TEXT[code]} | yes; what became of the call is not known |" for code in codes]
    lines += [f"| `{name}` | {text} | no |" for name, text in REFUSED_TEXT.items()]
    return "\n".join(lines) + "\n" + AFTERWORD


def _reasons(meanings: dict[str, str], *, retryable: bool) -> Iterator[str]:
    yield from (
        "| reason | code | HTTP | send again? | what it means, and what to do |",
        "| --- | --- | --- | --- | --- |",
    )
    for name, meaning in meanings.items():
        reason = REASONS.get(name)
        if reason is not None and reason.retryable is retryable:
            again = "after the delay" if retryable else "no"
            yield f"| `{name}` | {reason.code.name} | {reason.http_status.value} | {again} | {meaning} |"


def main() -> None:
    """Print the document."""
    print(write_document(read_comments(Path(sys.argv[1]).read_bytes())), end="")


if __name__ == "__main__":
    main()
