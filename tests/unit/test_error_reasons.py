"""The published reasons of errors are those of the code, both ways, and each is retryable exactly as it says."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2

from cli.client import CallError
from cli.import_.sender import is_retried
from events.normalize import Rejected
from gateway import replies
from runtime.errors import AnalyticsError
from runtime.settings import SettingsError
from server.ingest.errors import EventRejectedError
from server.rpc.error_reasons import BROKEN_CONNECTIONS, IN_ANSWERS, REASONS
from server.rpc.errors import status_of
from storage.postgres.errors import StorageRefusedError, UnsupportedPostgresError, WriterFullError
from tools.error_docs import write_document
from tools.proto_comments import read_comments

ROOT = Path(__file__).parents[2]
ROOMS = ("events", "gateway", "jobs", "reports", "runtime", "server", "storage")
RULES = ROOT / "events" / "violations.py"
"""Its names are those of rules, which violations have beside the reason of their event."""

COMMANDS = ROOT / "server" / "cli"
"""What they say is for their own terminal."""

ON_THIS_MACHINE = frozenset(
    {
        "ACTOR_KEY",
        "BAD_CATALOGUE",
        "BAD_SETTINGS",
        "BLOCK_FORMAT",
        "BLOCK_UNREADABLE",
        "CHILD_FAILED",
        "COLUMNS_CLASH",
        "DATABASE_MISSING",
        "DATABASE_TOO_NEW",
        "EMBEDDED_POSTGRES",
        "ENVOY_MISSING",
        "FOREIGN_TABLES",
        "INVALID_PATCH",
        "LEASE_TAKEN",
        "MIGRATION_FAILED",
        "NOT_MIGRATED",
        "OPEN_SERVICE",
        "PORT_TAKEN",
        "SECRET_MISMATCH",
        "SEGMENT_DAMAGED",
        "SEGMENT_FORMAT",
        "SEGMENT_MISSING",
        "SEGMENT_UNREADABLE",
        "SOCKET_FOLDER",
        "STORAGE",
        "SUMMARY_FORMAT",
        "SUMMARY_UNREADABLE",
        "UNDECLARED_SCOPE",
        "UNSUPPORTED_POSTGRES",
    }
)
"""Reasons of commands, jobs and starting processes: in logs and on terminals, and never in the answer to a call."""

LUA_REPLY = re.compile(r'^local \w+ = \{"(\d+)", "(\w+)", "(\w+)", ', re.MULTILINE)


def reasons_in_code() -> set[str]:
    """Collect every reason that is written anywhere in the code, and those of the gateway's replies."""
    found = {reason for _, reason, _ in (*replies.REPLIES.values(), replies.OTHERWISE)}
    found |= {reason for _, _, reason in lua_replies()}
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            if path != RULES and COMMANDS not in path.parents:
                found |= set(_reasons(ast.parse(path.read_text())))
    return found


def lua_replies() -> list[tuple[str, str, str]]:
    """Read what the gateway says where the server has no words: status, code and reason."""
    found: list[tuple[str, str, str]] = LUA_REPLY.findall((ROOT / "gateway/template/errors.lua").read_text())
    assert found
    return found


def _reasons(tree: ast.Module) -> Iterator[str]:
    """Yield class attributes and arguments called `reason`, and constants of modules that hold their own name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign | ast.Assign):
            targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
            if ast.unparse(targets[0]) == "reason" or (
                node in tree.body and _text(node.value) == ast.unparse(targets[0])
            ):
                yield from filter(None, [_text(node.value)])
        if isinstance(node, ast.keyword) and node.arg == "reason":
            yield from filter(None, [_text(node.value)])


def _text(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def error_of(name: str) -> AnalyticsError:
    """Make an error with a reason."""
    if name in {"INVALID_EVENT", "ID_CONFLICT"}:
        return EventRejectedError(Rejected("", name, ()))
    error: AnalyticsError = type("SomeError", (AnalyticsError,), {"reason": name})("why")
    return error


def details_of(exc: Exception) -> tuple[error_details_pb2.ErrorInfo, error_details_pb2.RetryInfo | None]:
    """Unpack what the caller sees of an error."""
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    _, status = status_of(exc)
    assert any(detail.Unpack(info) for detail in status.details)
    return info, retry if any(detail.Unpack(retry) for detail in status.details) else None


def test_every_reason_in_the_code_is_published_and_every_published_one_is_in_the_code() -> None:
    """None is forgotten in errors.proto, and none stands there without use."""
    published = set(REASONS) | IN_ANSWERS
    found = reasons_in_code()
    assert found >= ON_THIS_MACHINE
    assert found - ON_THIS_MACHINE == published


@pytest.mark.finding(17)
@pytest.mark.parametrize("name", sorted(REASONS))
def test_an_error_has_a_retry_info_exactly_where_it_is_published_as_retryable(name: str) -> None:
    """With its published reason and code."""
    exc = error_of(name)
    code, _ = status_of(exc)
    info, retry = details_of(exc)
    assert (info.reason, info.domain) == (name, "analytics.sociallive")
    assert code is REASONS[name].code
    assert (retry is not None) is REASONS[name].retryable


def test_a_reason_that_is_not_published_never_reaches_a_caller() -> None:
    """The reason of the class above it does, and INTERNAL where there is none, without the text."""
    assert details_of(UnsupportedPostgresError("too old"))[0].reason == StorageRefusedError.reason
    for exc in (SettingsError("a secret"), RuntimeError("a secret")):
        code, status = status_of(exc)
        assert code is grpc.StatusCode.INTERNAL
        assert b"secret" not in status.SerializeToString()


def test_an_error_says_how_long_to_wait() -> None:
    """As long as it knows itself."""
    _, retry = details_of(WriterFullError("the queue is full", retry_after_s=0.25))
    assert retry is not None
    assert retry.retry_delay.ToMilliseconds() == 250


def test_the_gateways_replies_are_the_published_ones() -> None:
    """Code and HTTP status of each, and `retry-after` exactly where it is retryable."""
    for status, (code, reason, _) in replies.REPLIES.items():
        assert (REASONS[reason].code.name, REASONS[reason].http_status) == (code, status)
        assert (status in replies.RETRIED) is REASONS[reason].retryable
    for text, code, reason in lua_replies():
        assert (REASONS[reason].code.name, REASONS[reason].http_status) == (code, int(text))
    assert REASONS[replies.OTHERWISE[1]].code.name == replies.OTHERWISE[0]


class FailedCall(grpc.RpcError):
    """A call as grpc ends it."""

    def __init__(self, code: grpc.StatusCode, details: bytes | None = None) -> None:
        self._code, self._details = code, details

    def code(self) -> grpc.StatusCode:
        """Return the status code."""
        return self._code

    def details(self) -> str:
        """Return the message."""
        return "why"

    def trailing_metadata(self) -> Any:
        """Return the details of the status."""
        return (("grpc-status-details-bin", self._details),) if self._details else ()


@pytest.mark.finding(17)
@pytest.mark.parametrize("code", list(grpc.StatusCode))
def test_a_client_repeats_what_the_table_says_of_statuses_without_a_reason(code: grpc.StatusCode) -> None:
    """CANCELLED at a killed server is repeated; gRPC's own RESOURCE_EXHAUSTED at a large message is not."""
    assert is_retried(CallError(FailedCall(code), "here")) is (code in BROKEN_CONNECTIONS)


def test_a_client_repeats_an_error_with_a_reason_exactly_where_it_has_a_retry_info() -> None:
    """Whatever its code: a report that took too long is not asked again."""
    for name, reason in REASONS.items():
        _, status = status_of(error_of(name))
        status.message = "why"
        assert is_retried(CallError(FailedCall(reason.code, status.SerializeToString()), "here")) is reason.retryable


@pytest.mark.finding(17)
def test_the_documented_table_is_that_of_the_code() -> None:
    """docs/errors.md has every reason with its code, HTTP status and whether to send again, and every bare status."""
    text = (ROOT / "docs" / "errors.md").read_text()
    assert text == write_document(read_comments((ROOT / "generated" / "descriptors.binpb").read_bytes()))
    reasons, _, bare = text.partition("## Statuses without a reason")
    rows = rows_of(reasons)
    for name, reason in REASONS.items():
        again = "after the delay" if reason.retryable else "no"
        assert rows[name][:3] == [reason.code.name, str(reason.http_status.value), again]
    assert {name for name, row in rows_of(bare).items() if row[-1].startswith("yes")} == {
        code.name for code in BROKEN_CONNECTIONS
    }


def rows_of(text: str) -> dict[str, list[str]]:
    """Read the tables of a document: the cells of each row by its first cell."""
    rows = (line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("| `"))
    return {first.strip(" `"): [cell.strip() for cell in others] for first, *others in rows}
