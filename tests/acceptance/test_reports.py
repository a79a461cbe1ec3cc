"""Reports show what was stored: exact numbers, stable pages, clear refusals."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from sociallive.analytics.v1.dashboard_pb2 import GetDashboardRequest
from sociallive.analytics.v1.engagement_event_pb2 import EngagementEvent
from sociallive.analytics.v1.event_list_pb2 import ListEventsRequest
from sociallive.analytics.v1.event_pb2 import Device, Event, TimestampSource
from sociallive.analytics.v1.purchase_event_pb2 import PurchaseEvent
from sociallive.analytics.v1.report_pb2 import ReportRequest
from sociallive.analytics.v1.session_event_pb2 import SessionEvent
from sociallive.analytics.v1.stream_event_pb2 import StreamEvent
from sociallive.analytics.v1.track_pb2 import TrackEventsRequest
from sociallive.analytics.v1.view_event_pb2 import ViewEvent
from tests.acceptance.running import Service, fails_with
from tests.acceptance.samples import track
from tests.conftest import copy_data_dir

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def stamp(moment: datetime) -> Timestamp:
    """Write a Timestamp."""
    made = Timestamp()
    made.FromDatetime(moment)
    return made


def event(hours: float, **fields: Any) -> Event:
    """Make an event so many hours after MONDAY."""
    return Event(**{"event_id": str(uuid.uuid4()), "timestamp": stamp(MONDAY + timedelta(hours=hours)), **fields})


def view(hours: float, content_id: str = "1", **fields: Any) -> Event:
    """Make a view of a post."""
    duration = fields.pop("view_duration", None)
    return event(hours, view=ViewEvent(content_type="post", content_id=content_id, view_duration=duration), **fields)


def purchase(hours: float, amount: float, currency: str, **fields: Any) -> Event:
    """Make a purchase."""
    return event(
        hours, purchase=PurchaseEvent(product_id="p", order_id="o", amount=amount, currency=currency), **fields
    )


EVENTS = [
    view(-30, user_id="ann", session_id="s0"),  # before the range, and before the range before it
    view(-3, user_id="bob", session_id="s1"),  # in the range before
    view(0, user_id="ann", session_id="s2", view_duration=10),
    view(1, "2", user_id="ann", session_id="s2", view_duration=20),
    view(1, "2", user_id="cem", session_id="s3"),
    view(2, "2", session_id="s4"),  # an anonymous session is an actor
    view(3),  # an event without user and session is an actor of its own
    purchase(4, 0.1, "USD", user_id="ann"),
    purchase(4, 0.2, "USD", user_id="cem"),
    purchase(5, 29.99, "EUR", user_id="cem"),
    event(6, user_id="bob", engagement=EngagementEvent(action="like", target_type="post", target_id="1")),
    event(7, user_id="bob", stream=StreamEvent(stream_id="st", action="join")),
    event(8, user_id="bob", session=SessionEvent(action="start")),
    view(24, user_id="dan"),  # the first moment after the range
]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, made_database: Path) -> Iterator[Service]:
    """A service that holds EVENTS and nothing else."""
    folder: Path = tmp_path_factory.mktemp("reports")
    with Service(copy_data_dir(made_database, folder / "data"), ANALYTICS_RETENTION_RAW_DAYS="0") as service:
        answer = service.stub.TrackEvents(TrackEventsRequest(events=EVENTS), timeout=10)
        assert answer.stored == len(EVENTS)
        yield service


def monday() -> dict[str, Any]:
    """The range of Monday."""
    return {"start_time": stamp(MONDAY), "end_time": stamp(MONDAY + timedelta(days=1))}


def test_dashboard_totals_are_exact(filled: Service) -> None:
    """Counts by type, and by type in the day before; actors, sessions and newcomers."""
    answer = filled.stub.GetDashboard(GetDashboardRequest(**monday()), timeout=10)
    assert {total.event_type: (total.count, total.previous_count) for total in answer.totals} == {
        "engagement": (1, 0),
        "purchase": (3, 0),
        "session": (1, 0),
        "stream": (1, 0),
        "view": (5, 1),
    }
    assert answer.events == 11
    assert answer.users == 5  # ann, bob, cem, session s4, and the event of nobody
    assert answer.new_users == 3  # ann and bob were there before
    assert answer.sessions == 10  # s2, s3, s4; without an id one of nobody, one of ann, two of cem, three of bob


def test_dashboard_compares_with_the_day_before(filled: Service) -> None:
    """Every figure of Sunday stands beside Monday's."""
    answer = filled.stub.GetDashboard(GetDashboardRequest(**monday()), timeout=10)
    before = answer.previous
    assert (before.events, before.users, before.sessions, before.new_users, before.orders) == (1, 1, 1, 1, 0)
    assert not before.HasField("mean_view_duration")
    assert before.mean_session_duration == 0
    sunday: dict[str, Any] = {"start_time": stamp(MONDAY - timedelta(days=1)), "end_time": stamp(MONDAY)}
    assert filled.stub.GetDashboard(GetDashboardRequest(**sunday), timeout=10).events == before.events


def test_dashboard_tells_of_sessions_streams_platforms_and_paths(filled: Service) -> None:
    """A session lasts from its first event to its last; what nothing tells is not set."""
    answer = filled.stub.GetDashboard(GetDashboardRequest(**monday()), timeout=10)
    assert answer.mean_session_duration == 360  # s2 lasts an hour, the other nine have one event each
    assert (answer.streams.live_streams, answer.streams.watch_duration) == (1, 0)
    assert not answer.streams.HasField("peak_viewers")
    assert [(item.platform, item.events) for item in answer.platforms] == [("", 11)]
    assert (answer.orders, answer.median_view_duration) == (3, 15)
    assert list(answer.conversion_paths) == []


def test_dashboard_sums_money_as_decimals(filled: Service) -> None:
    """0.1 and 0.2 are 0.3, and currencies stay apart."""
    answer = filled.stub.GetDashboard(GetDashboardRequest(**monday()), timeout=10)
    assert [(row.currency, row.amount, row.orders) for row in answer.revenue] == [
        ("EUR", "29.99", 1),
        ("USD", "0.3", 2),
    ]


def test_dashboard_shows_dwell_and_top_content(filled: Service) -> None:
    """The mean is over views that tell a duration; contents come by views, then by name."""
    answer = filled.stub.GetDashboard(GetDashboardRequest(**monday()), timeout=10)
    assert answer.mean_view_duration == 15
    assert [(row.content_type, row.content_id, row.views) for row in answer.top_content] == [
        ("post", "2", 3),
        ("post", "1", 2),
    ]


def test_dashboard_series_adds_up_to_the_totals_in_any_zone(filled: Service) -> None:
    """Every period of the range has a point for every type, in zones on and off the hour."""
    for zone in ("UTC", "Asia/Kathmandu", "America/New_York"):
        answer = filled.stub.GetDashboard(GetDashboardRequest(**monday(), time_zone=zone), timeout=10)
        sums: dict[str, int] = {}
        for point in answer.series:
            sums[point.event_type] = sums.get(point.event_type, 0) + point.count
        assert sums == {total.event_type: total.count for total in answer.totals if total.count}
        assert len(answer.series) == len(sums) * len({point.time.seconds for point in answer.series})
    assert answer.info.time_zone == "America/New_York"


def test_dashboard_flags_periods_that_the_range_cuts(filled: Service) -> None:
    """In a zone whose hours begin at :15 UTC, the first and the last hour of a UTC day are cut."""
    answer = filled.stub.GetDashboard(GetDashboardRequest(**monday(), time_zone="Asia/Kathmandu"), timeout=10)
    cut = {point.time.seconds for point in answer.series if not point.complete}
    assert cut == {answer.series[0].time.seconds, answer.series[-1].time.seconds}


def test_answers_repeat_scope_and_definition(filled: Service) -> None:
    """The range, the zone, the newest receipt contained, and the question in words."""
    answer = filled.stub.GetDashboard(GetDashboardRequest(**monday()), timeout=10)
    assert answer.info.start_time == stamp(MONDAY)
    assert answer.info.time_zone == "UTC"
    assert answer.info.as_of.seconds > MONDAY.timestamp()
    assert "[start_time, end_time)" in answer.info.definition
    empty = filled.stub.GetDashboard(GetDashboardRequest(end_time=stamp(datetime(2001, 1, 1, tzinfo=UTC))), timeout=10)
    assert not empty.info.HasField("as_of")
    assert not empty.HasField("mean_view_duration")
    assert (empty.events, empty.users, list(empty.series)) == (0, 0, [])


def test_report_without_a_query_says_what_to_ask_for(filled: Service) -> None:
    """One of the five."""
    with fails_with(grpc.StatusCode.INVALID_ARGUMENT) as caught:
        filled.stub.Report(ReportRequest(), timeout=10)
    assert "dashboard, events, funnel, cohort, retention" in caught[0].details()


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({}, 11),
        ({"event_type": "view"}, 5),
        ({"user_id": "cem"}, 3),
        ({"session_id": "s2"}, 2),
        ({"event_type": "view", "user_id": "ann"}, 2),
        ({"user_id": "nobody"}, 0),
        ({"filter": "purchase:amount>=0.2"}, 2),
        ({"filter": ":userId in (ann, bob)"}, 6),
        ({"filter": "view", "event_type": "purchase"}, 0),
        ({"filter": "view:viewDuration exists", "user_id": "ann"}, 2),
    ],
)
def test_events_are_filtered(filled: Service, filters: dict[str, Any], count: int) -> None:
    """By type, user, session, and all of them together."""
    answer = filled.stub.ListEvents(ListEventsRequest(**monday(), **filters), timeout=10)
    assert len(answer.events) == count
    times = [listed.timestamp.ToNanoseconds() for listed in answer.events]
    assert times == sorted(times, reverse=True)


def test_pages_stay_stable_while_events_arrive(filled: Service) -> None:
    """Pages of two, with newer events stored in between, show each event of the first moment once."""
    user = f"pager-{uuid.uuid4()}"
    sent = [view(8 + number // 3, user_id=user, sequence=number) for number in range(9)]
    filled.stub.TrackEvents(TrackEventsRequest(events=sent), timeout=10)
    seen, token = [], ""
    while True:
        question = ListEventsRequest(timeframe="12mo", user_id=user, page_size=2, page_token=token)
        page = filled.stub.ListEvents(question, timeout=10)
        seen += [listed.event_id for listed in page.events]
        token = page.next_page_token
        if not token:
            break
        filled.stub.Track(track(user_id=user), timeout=10)
    assert seen == [sent_event.event_id for sent_event in reversed(sent)]


def test_a_listed_event_is_the_event_that_was_sent(filled: Service) -> None:
    """Envelope, device and payload come back; the address does not."""
    user = f"whole-{uuid.uuid4()}"
    sent = view(
        9,
        user_id=user,
        session_id="s",
        sequence=7,
        platform="web",
        user_agent="test",
        ip_address="192.0.2.1",
        device=Device(type="phone", os="Android"),
        view_duration=1.5,
    )
    filled.stub.TrackEvents(TrackEventsRequest(events=[sent]), timeout=10)
    (read,) = filled.stub.ListEvents(ListEventsRequest(timeframe="12mo", user_id=user), timeout=10).events
    assert read.HasField("received_at")
    assert read.timestamp_source == TimestampSource.TIMESTAMP_SOURCE_CLIENT
    expected = Event()
    expected.CopyFrom(sent)
    expected.event_type, expected.schema_version, expected.ip_address = "view", "1.1.0", ""
    expected.received_at.CopyFrom(read.received_at)
    expected.timestamp_source = read.timestamp_source
    assert read == expected
