"""One question to each report, told in every way that callers have, and a small history that it is about."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from google.protobuf import json_format
from google.protobuf.message import Message

from sociallive.analytics.v1.cohort_pb2 import GetCohortRequest
from sociallive.analytics.v1.dashboard_pb2 import GetDashboardRequest
from sociallive.analytics.v1.event_list_pb2 import ListEventsRequest
from sociallive.analytics.v1.funnel_pb2 import GetFunnelRequest
from sociallive.analytics.v1.retention_pb2 import GetRetentionRequest
from sociallive.analytics.v1.track_pb2 import TrackEventsRequest

SCOPE = {"startTime": "2026-03-06T05:00:00Z", "endTime": "2026-03-10T04:00:00Z", "timeZone": "America/New_York"}
"""Four days of New York, of which the third has 23 hours."""
EVENTS = 12
"""How many of HISTORY lie in it."""

VIEW = {"contentType": "post", "contentId": "1"}
PURCHASE = {"productId": "p", "orderId": "o", "amount": 0.1, "currency": "USD"}


def _event(moment: str, event_type: str, **envelope: Any) -> dict[str, Any]:
    data = {"view": VIEW, "purchase": PURCHASE, "stream": {"streamId": "s", "action": "join"}}[event_type]
    return {"timestamp": f"2026-03-{moment}Z", "eventType": event_type, "data": data, **envelope}


HISTORY = [
    _event("06T04:59:59.999999", "view", userId="door-dan"),  # a microsecond before the range
    _event("06T05:00:00", "view", userId="door-ann", sequence=1, platform="web"),
    _event("06T05:00:00", "purchase", userId="door-ann", sequence=2),  # the same microsecond, and later
    _event("06T05:00:00", "purchase", userId="door-bob", sequence=1),
    _event("06T05:00:00", "view", userId="door-bob", sequence=2),
    _event("08T04:59:59.999999", "view", userId="door-ann", schemaVersion="1.0.0"),
    _event("08T07:00:00", "view", sessionId="door-session"),  # nobody's, when clocks go forward
    _event("09T03:59:59.999999", "purchase", sessionId="door-session"),  # the last moment of the day of 23 hours
    _event("09T04:00:00", "view", userId="door-cem", platform="ios"),
    _event("09T12:00:00", "view"),  # of nobody at all
    _event("09T12:00:00", "stream", userId="door-cem"),
    _event("09T13:00:00", "purchase", userId="door-ann", data={**PURCHASE, "amount": 0.2}),
    _event("10T03:59:59.999999", "view", userId="door-dan"),
    _event("10T04:00:00", "purchase", userId="door-cem"),  # the first moment after the range, within the window
]


def history() -> TrackEventsRequest:
    """Make the request that stores HISTORY."""
    return json_format.ParseDict({"events": HISTORY, "backfill": True}, TrackEventsRequest())


@dataclass(frozen=True)
class Report:
    """A report, and a question to it.

    Attributes:
        method: what it is called over gRPC.
        query: what it is called in ReportRequest.
        path: where it is over REST.
        command: how it is asked from a terminal, without its range.
        request: the class of its question.
        question: the question but for its range, by the names of JSON.
    """

    method: str
    query: str
    path: str
    command: tuple[str, ...]
    request: type[Message]
    question: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Name it, for the names of tests."""
        return self.method

    def asked(self, **scope: Any) -> Any:
        """Make the request, over SCOPE unless another range is given."""
        return json_format.ParseDict({**self.question, **(scope or SCOPE)}, self.request())

    def url(self) -> str:
        """Write the path and the query string of the question over SCOPE."""
        return f"{self.path}?{urlencode({**self.question, **SCOPE}, doseq=True)}"

    def arguments(self) -> list[str]:
        """Write the command line of the question over SCOPE."""
        scope = ("--from", SCOPE["startTime"], "--to", SCOPE["endTime"], "--time-zone", SCOPE["timeZone"])
        return [*self.command, *scope]


DASHBOARD = Report("GetDashboard", "dashboard", "/analytics/dashboard", ("dashboard",), GetDashboardRequest)
EVENT_LIST = Report(
    "ListEvents",
    "events",
    "/analytics/events",
    ("events", "--filter", ":userId in (door-ann, door-bob, door-cem, door-dan)", "--limit", "1000"),
    ListEventsRequest,
    {"filter": ":userId in (door-ann, door-bob, door-cem, door-dan)", "pageSize": 1000},
)
FUNNEL = Report(
    "GetFunnel",
    "funnel",
    "/analytics/funnel",
    ("funnel", "view", "purchase:amount>=0.1", "--window", "3d", "--breakdown", "platform"),
    GetFunnelRequest,
    {"steps": ["view", "purchase:amount>=0.1"], "window": "3d", "breakdown": "platform"},
)
COHORT = Report(
    "GetCohort",
    "cohort",
    "/analytics/cohort",
    ("cohort", "--step", "view"),
    GetCohortRequest,
    {"step": "view"},
)
RETENTION = Report(
    "GetRetention",
    "retention",
    "/analytics/retention",
    ("retention", "--entry-step", "view", "--entry", "first_in_range"),
    GetRetentionRequest,
    {"entryStep": "view", "entry": "RETENTION_ENTRY_FIRST_IN_RANGE"},
)
REPORTS = (DASHBOARD, EVENT_LIST, FUNNEL, COHORT, RETENTION)
