"""The life of a schema version as callers see it, and reports over events of several versions.

The service runs as it is, with code that is generated from .proto files in which two versions are deprecated.
"""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import CliRunner
from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from cli.report import group as report
from sociallive.analytics.v1.cohort_pb2 import GetCohortRequest
from sociallive.analytics.v1.dashboard_pb2 import GetDashboardRequest
from sociallive.analytics.v1.engagement_event_pb2 import EngagementEvent
from sociallive.analytics.v1.event_list_pb2 import EventView, ListEventsRequest
from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.funnel_pb2 import GetFunnelRequest
from sociallive.analytics.v1.report_scope_pb2 import Granularity
from sociallive.analytics.v1.retention_pb2 import GetRetentionRequest
from sociallive.analytics.v1.track_pb2 import EventStatus, TrackBatchRequest, TrackEventsRequest, TrackRequest
from sociallive.analytics.v1.view_event_pb2 import ViewEvent
from tests.acceptance.running import Service, fails_with
from tests.acceptance.samples import reason, violations
from tests.changed_protos import copy_protos, generate_code
from tests.conftest import copy_data_dir

TODAY = datetime.now(UTC).date()
DEPRECATED = TODAY - timedelta(days=30)
"""Within the 90 days of grace."""
LONG_DEPRECATED = TODAY - timedelta(days=200)
"""Past its sunset."""
WARNING = (
    f"schema_version 1.0.0 of view events was deprecated on {DEPRECATED} and will be refused from "
    f"{DEPRECATED + timedelta(days=90)} on: send 1.1.0"
)
FIRST_VERSION = '        version: "1.0.0"\n        released: "2024-01-01"\n'


def deprecating(day: date) -> tuple[str, str]:
    """Make the edit of a .proto file that deprecates its version 1.0.0."""
    return FIRST_VERSION, f'{FIRST_VERSION}        deprecated: "{day}"\n'


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, made_database: Path) -> Iterator[Service]:
    """A service whose views of 1.0.0 are deprecated, and whose engagements of 1.0.0 are past their sunset."""
    folder = tmp_path_factory.mktemp("versions")
    edits = {
        "view_event.proto": deprecating(DEPRECATED),
        "engagement_event.proto": deprecating(LONG_DEPRECATED),
    }
    code = generate_code(copy_protos(folder, {}, edits))
    with Service(copy_data_dir(made_database, folder / "data"), PYTHONPATH=str(code)) as running:
        yield running


def view(version: str, user: str, at: datetime | None = None) -> Event:
    """Make a view of core fields, which mean the same in every version."""
    return _event(version, user, at, view=ViewEvent(content_type="post", content_id="post-1"))


def like(version: str, user: str, at: datetime | None = None) -> Event:
    """Make an engagement of core fields."""
    return _event(version, user, at, engagement=EngagementEvent(action="like", target_type="post", target_id="post-1"))


def _event(version: str, user: str, at: datetime | None, **payload: Any) -> Event:
    event = Event(event_id=str(uuid.uuid4()), user_id=user, schema_version=version, **payload)
    event.timestamp.FromDatetime(at or datetime.now(UTC))
    return event


def test_a_deprecated_version_is_stored_with_a_warning(service: Service) -> None:
    """Which names the day and the version to move to; the newest gets none."""
    answer = service.stub.Track(TrackRequest(event=view("1.0.0", "warned")), timeout=5)
    assert (answer.status, list(answer.warnings)) == (EventStatus.EVENT_STATUS_STORED, [WARNING])
    assert list(service.stub.Track(TrackRequest(event=view("1.1.0", "warned")), timeout=5).warnings) == []


def test_batches_are_warned_once_with_the_number_of_events(service: Service) -> None:
    """Over all messages of a stream, and in its unary twin; an import cannot help it and is not warned."""
    events = [view("1.0.0", "batch"), view("1.1.0", "batch"), view("1.0.0", "batch")]
    unary = service.stub.TrackEvents(TrackEventsRequest(events=events), timeout=5)
    assert [(warning.description, warning.events) for warning in unary.warnings] == [(WARNING, 2)]
    messages = [TrackBatchRequest(events=[view("1.0.0", "batch")]) for _ in range(3)]
    stream = service.stub.TrackBatch(iter(messages), timeout=5)
    assert [(warning.description, warning.events) for warning in stream.warnings] == [(WARNING, 3)]
    imported = service.stub.TrackEvents(TrackEventsRequest(events=[view("1.0.0", "batch")], backfill=True), timeout=5)
    assert (imported.stored, list(imported.warnings)) == (1, [])


def test_after_its_sunset_a_version_is_refused_and_its_neighbours_are_not(service: Service) -> None:
    """The refusal names the version to move to; an import of old events may still bring it."""
    with fails_with(grpc.StatusCode.INVALID_ARGUMENT) as caught:
        service.stub.Track(TrackRequest(event=like("1.0.0", "late")), timeout=5)
    assert (reason(caught[0]), violations(caught[0])) == ("SUNSET_VERSION", {"schema_version": "SUNSET_VERSION"})
    sunset = LONG_DEPRECATED + timedelta(days=90)
    assert f"refused for engagement events since {sunset}; send 1.1.0" in caught[0].details()
    both = [like("1.0.0", "late"), like("1.1.0", "late")]
    answer = service.stub.TrackEvents(TrackEventsRequest(events=both), timeout=5)
    assert (answer.stored, [(rejected.index, rejected.reason) for rejected in answer.rejections]) == (
        1,
        [(0, "SUNSET_VERSION")],
    )
    imported = TrackEventsRequest(events=[like("1.0.0", "late")], backfill=True)
    assert service.stub.TrackEvents(imported, timeout=5).stored == 1


def test_the_list_answers_each_version_or_the_newest(service: Service) -> None:
    """Over gRPC and on the terminal; the page token belongs to the view that it was made for."""
    service.stub.TrackEvents(TrackEventsRequest(events=[view("1.0.0", "listed"), view("1.1.0", "listed")]), timeout=5)

    def versions(view: EventView) -> set[str]:
        page = service.stub.ListEvents(ListEventsRequest(user_id="listed", view=view), timeout=10)
        return {event.schema_version for event in page.events}

    assert versions(EventView.EVENT_VIEW_UNSPECIFIED) == versions(EventView.EVENT_VIEW_RAW) == {"1.0.0", "1.1.0"}
    assert versions(EventView.EVENT_VIEW_UPCAST) == {"1.1.0"}
    for name, expected in (("raw", {"1.0.0", "1.1.0"}), ("upcast", {"1.1.0"})):
        arguments = ["events", "--user", "listed", "--view", name, "--json", "--address", service.address]
        printed = CliRunner().invoke(report.command, arguments)
        assert {event["schemaVersion"] for event in json.loads(printed.stdout)["events"]} == expected
    first = service.stub.ListEvents(ListEventsRequest(user_id="listed", page_size=1), timeout=10)
    with fails_with(grpc.StatusCode.INVALID_ARGUMENT):
        service.stub.ListEvents(
            ListEventsRequest(user_id="listed", page_token=first.next_page_token, view=EventView.EVENT_VIEW_UPCAST),
            timeout=10,
        )
    with fails_with(grpc.StatusCode.INVALID_ARGUMENT) as caught:
        service.stub.ListEvents(ListEventsRequest(view=7), timeout=10)  # type: ignore[arg-type] # what a caller may send
    assert "EVENT_VIEW_RAW" in caught[0].details()


def test_reports_answer_a_mix_of_versions_as_one(service: Service) -> None:
    """The same history told twice, in one version and in two: every report answers both alike."""
    newest, mixed = (datetime.combine(TODAY - timedelta(days=back), datetime.min.time(), UTC) for back in (60, 30))
    events = [*history(newest, "one", "1.1.0", "1.1.0"), *history(mixed, "two", "1.0.0", "1.1.0")]
    answer = service.stub.TrackEvents(TrackEventsRequest(events=events, backfill=True), timeout=20)
    assert answer.stored == len(events)
    told = [answers(service, start) for start in (newest, mixed)]
    assert told[0] == told[1]
    dashboard, funnel, retention, cohorts = told[0]
    assert {total["eventType"]: total["count"] for total in dashboard["totals"]} == {"engagement": "4", "view": "8"}
    assert [step["users"] for step in funnel["steps"]] == ["4", "2"]
    assert retention["cohorts"][0]["size"] == cohorts["cohorts"][0]["size"] == "4"


def history(start: datetime, prefix: str, odd_version: str, even_version: str) -> Iterator[Event]:
    """Make the views and likes of four users over two days; versions change within a user and between users."""
    for user in range(4):
        versions = (odd_version, even_version) if user % 2 else (even_version, odd_version)
        for day in range(2):
            at = start + timedelta(days=day, hours=9 + user)
            yield view(versions[day], f"{prefix}-{user}", at)
            if user < 2:
                yield like(versions[1 - day], f"{prefix}-{user}", at + timedelta(minutes=5))


def answers(service: Service, start: datetime) -> list[Any]:
    """Ask every report about the two days after `start`, with times told in hours since then."""
    scope: dict[str, Any] = {"start_time": _stamp(start), "end_time": _stamp(start + timedelta(days=2))}
    day = Granularity.GRANULARITY_DAY
    stub = service.stub
    return [
        _relative(answer, start)
        for answer in (
            stub.GetDashboard(GetDashboardRequest(**scope), timeout=20),
            stub.GetFunnel(GetFunnelRequest(**scope, steps=["view", "engagement:action=like"]), timeout=20),
            stub.GetRetention(
                GetRetentionRequest(**scope, entry_step="view", return_step="view", granularity=day, periods=1),
                timeout=20,
            ),
            stub.GetCohort(GetCohortRequest(**scope, granularity=day), timeout=20),
        )
    ]


def _stamp(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def _relative(answer: Message, start: datetime) -> Any:
    """Turn an answer into plain values that do not depend on when it all happened."""
    values = json_format.MessageToDict(answer)
    del values["info"]

    def shift(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: shift(item) for name, item in value.items()}
        if isinstance(value, list):
            return [shift(item) for item in value]
        if isinstance(value, str) and value.endswith("Z"):
            return (datetime.fromisoformat(value) - start).total_seconds() / 3600
        return value

    return shift(values)
