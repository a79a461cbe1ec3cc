"""The audit entries of calls that change rejected events."""

import os
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import grpc
from google.protobuf import json_format

from server.access.caller import current_caller
from sociallive.analytics.v1.admin_service_pb2 import ReplayRejectedEventsRequest, ReplayResult, ReplayStatus
from storage.audit import AuditEntry
from storage.write.batch import WriteOutcome

DONE = "done"
STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class AdminCall:
    """A call that changes rejected events.

    Attributes:
        action: what it does, as the command that does so is called.
        caller: who, as `caller_of` names them.
        arguments: what was asked for, as JSON holds it; no values of events.
        started_at: an aware time.
        now: returns the current UTC time.
    """

    action: str
    caller: str
    arguments: Mapping[str, object]
    started_at: datetime
    now: Callable[[], datetime]

    def make_entry(self, *, outcome: str = DONE, rows: int, size_bytes: int = 0, **result: object) -> AuditEntry:
        """Make the audit entry of the call up to now."""
        server = {"pid": os.getpid(), "server": socket.gethostname()}
        return AuditEntry(
            started_at=self.started_at,
            finished_at=self.now(),
            actor=self.caller,
            action=self.action,
            outcome=outcome,
            rows=rows,
            bytes=size_bytes,
            details={**server, "arguments": self.arguments, **result},
        )


class ReplayAudit:
    """Counts the results of a replay, and makes its audit entry.

    Args of the constructor:
        request: of the replay. Of patches only the names of fields are kept: its values are those of events.
        caller: who.
        now: returns the current UTC time.
    """

    def __init__(self, request: ReplayRejectedEventsRequest, caller: str, now: Callable[[], datetime]) -> None:
        arguments = json_format.MessageToDict(request, preserving_proto_field_name=True)
        if request.patches:
            arguments["patches"] = [change.field for change in request.patches]
        self._call = AdminCall("rejected replay", caller, arguments, now(), now)
        self._counts: Counter[str] = Counter()

    def add(self, results: Iterable[ReplayResult]) -> None:
        """Count the results of a transaction."""
        self._counts += _count(results)

    def make_entry(
        self, settled: Iterable[ReplayResult] = (), written: Iterable[WriteOutcome] = (), *, ending: str = DONE
    ) -> AuditEntry:
        """Make the entry.

        Args:
            settled: results beside those that were added.
            written: outcomes of events that are stored in the transaction of this entry.
            ending: how the replay ended.
        """
        outcomes = Counter(_WRITTEN.get(outcome, "failed") for outcome in written)
        counts = self._counts + _count(settled) + outcomes
        return self._call.make_entry(outcome=ending, rows=counts["stored"], **counts)


_WRITTEN = {WriteOutcome.STORED: "stored", WriteOutcome.DUPLICATE: "duplicates"}
_STATUSES: dict[int, str] = {
    ReplayStatus.REPLAY_STATUS_STORED: "stored",
    ReplayStatus.REPLAY_STATUS_DUPLICATE: "duplicates",
    ReplayStatus.REPLAY_STATUS_FAILED: "failed",
}


def _count(results: Iterable[ReplayResult]) -> Counter[str]:
    return Counter(_STATUSES[result.status] for result in results)


def caller_of(context: "grpc.aio.ServicerContext[Any, Any]") -> str:
    """Name the caller of an RPC: its key or token, and its end of the connection.

    For example `key:1b2C3d4E 127.0.0.1:40112`, `token:alice [::1]:40112`, or `127.0.0.1:40112` without a credential.
    """
    kind, _, address = unquote(context.peer()).partition(":")
    place = address if kind in {"ipv4", "ipv6"} else kind
    caller = current_caller()
    return f"{caller.name} {place}" if caller.name else place
