"""Compares what a client accepted with what the service stores."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import grpc

from sociallive.analytics.v1.analytics_service_pb2_grpc import AnalyticsServiceStub
from sociallive.analytics.v1.event_list_pb2 import ListEventsRequest

PAGE_SIZE = 1000
CALL_TIMEOUT_S = 30.0


@dataclass(slots=True)
class Accepted:
    """The events that a client accepted.

    Attributes:
        good: ids of valid events by their content ids.
        bad: ids of events that the service or the gateway refuses, and which must be reported.
        bad_before_kill: likewise, but accepted by a process that was killed, with whom the report may be lost.
    """

    good: dict[str, str] = field(default_factory=dict)
    bad: set[str] = field(default_factory=set)
    bad_before_kill: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of the events of one client.

    Attributes:
        accepted: events that it accepted.
        stored: accepted events that the service stores.
        lost: valid events that are not stored and were not reported as dropped, and refused ones without a report.
        doubled: events that are stored more than once.
        dropped: events that the client reported as dropped.
        rejected: events that it reported as rejected.
    """

    accepted: int
    stored: int
    lost: int
    doubled: int
    dropped: int
    rejected: int

    @property
    def holds(self) -> bool:
        """Whether the client kept its promise."""
        return not (self.lost or self.doubled or self.dropped)


def judge(accepted: Accepted, stored: list[tuple[str, str]], rejected: set[str], dropped: set[str]) -> Verdict:
    """Judge a client.

    Args:
        accepted: what it accepted.
        stored: id and content id of each of its events in the service.
        rejected: ids that it reported as rejected.
        dropped: ids that it reported as dropped.
    """
    stored_ids = {event_id for event_id, _ in stored}
    good = set(accepted.good.values())
    # One event under two ids would be two rows, so events are counted by their content, which each has of its own.
    copies = Counter(content_id for _, content_id in stored)
    return Verdict(
        accepted=len(good) + len(accepted.bad) + len(accepted.bad_before_kill),
        stored=len(good & stored_ids),
        lost=len(good - stored_ids - dropped) + len(accepted.bad - rejected - dropped),
        doubled=sum(count - 1 for count in copies.values()),
        dropped=len(dropped),
        rejected=len(rejected),
    )


def list_stored(address: str, user_id: str) -> list[tuple[str, str]]:
    """List id and content id of every stored event of a user."""
    found: list[tuple[str, str]] = []
    with grpc.insecure_channel(address) as channel:
        stub: Any = AnalyticsServiceStub(channel)  # type: ignore[no-untyped-call]
        request = ListEventsRequest(timeframe="24h", user_id=user_id, page_size=PAGE_SIZE)
        while True:
            page = stub.ListEvents(request, timeout=CALL_TIMEOUT_S)
            found += [(event.event_id, event.view.content_id) for event in page.events]
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token
