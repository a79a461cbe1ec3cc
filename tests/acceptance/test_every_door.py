"""The five reports over one small history: right numbers, the same through every door, each with its meaning."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from google.protobuf import json_format
from google.protobuf.message import Message

from cli.report import group as report
from server.reports.scope import from_timestamp
from sociallive.analytics.v1.event_list_pb2 import ListEventsRequest
from sociallive.analytics.v1.report_pb2 import ReportRequest
from sociallive.analytics.v1.track_pb2 import TrackEventsRequest
from tests import report_questions
from tests.acceptance.running import Service
from tests.acceptance.samples import view
from tests.conftest import copy_data_dir
from tests.report_questions import COHORT, DASHBOARD, EVENT_LIST, FUNNEL, REPORTS, RETENTION, SCOPE, Report


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, made_database: Path) -> Iterator[Service]:
    """A service that holds the history, and what was received later about another time."""
    with Service(
        copy_data_dir(made_database, tmp_path_factory.mktemp("doors") / "data"), ANALYTICS_RETENTION_RAW_DAYS="0"
    ) as service:
        stored = service.stub.TrackEvents(report_questions.history(), timeout=20).stored
        assert stored == len(report_questions.HISTORY)
        later = json_format.ParseDict(
            {"events": [{"eventType": "session", "timestamp": "2026-06-01T00:00:00Z", "data": {"action": "start"}}]},
            TrackEventsRequest(),
        )
        assert service.stub.TrackEvents(later, timeout=20).stored == 1
        yield service


def ask(service: Service, asked: Report, **scope: Any) -> Any:
    """Ask by the typed method."""
    return getattr(service.stub, asked.method)(asked.asked(**scope), timeout=20)


def wire(answer: Message) -> bytes:
    """Write an answer as bytes: those of equal numbers are equal."""
    return answer.SerializeToString(deterministic=True)


@pytest.mark.parametrize("asked", REPORTS, ids=repr)
def test_report_answers_what_the_typed_method_answers(filled: Service, asked: Report) -> None:
    """Byte for byte."""
    through = filled.stub.Report(ReportRequest(**{asked.query: asked.asked()}), timeout=20)
    assert through.WhichOneof("result") == asked.query
    assert wire(getattr(through, asked.query)) == wire(ask(filled, asked))


@pytest.mark.parametrize("asked", REPORTS, ids=repr)
def test_the_command_prints_what_the_typed_method_answers(filled: Service, asked: Report) -> None:
    """Its --json, read back, is the same bytes."""
    result = CliRunner().invoke(report.command, [*asked.arguments(), "--json", "--address", filled.address])
    assert (result.exit_code, result.stderr) == (0, "")
    typed = ask(filled, asked)
    assert wire(json_format.Parse(result.stdout, type(typed)())) == wire(typed)


def test_the_dashboard_of_four_days(filled: Service) -> None:
    """Of which one has 23 hours; what happens at the range's end is not in it, what happens at its start is."""
    answer = ask(filled, DASHBOARD)
    assert (answer.events, answer.users, answer.new_users, answer.previous.events) == (report_questions.EVENTS, 6, 5, 1)
    assert answer.sessions == 9  # one by its id; of ann three, of cem two, of bob, dan and nobody one each
    assert [(row.currency, row.amount, row.orders) for row in answer.revenue] == [("USD", "0.5", 4)]
    by_day: dict[str, list[int]] = {}
    for point in answer.series:
        by_day.setdefault(point.event_type, []).append(point.count)
    assert by_day == {"purchase": [2, 0, 1, 1], "stream": [0, 0, 0, 1], "view": [2, 1, 1, 3]}


def test_the_funnel_of_four_days(filled: Service) -> None:
    """The sequence decides within a microsecond, anonymous sessions are actors, and completions may come later."""
    answer = ask(filled, FUNNEL)
    assert [step.users for step in answer.steps] == [6, 3]  # ann, who viewed first; the session; cem after the range
    assert answer.steps[1].median_seconds == timedelta(hours=21, microseconds=-1) / timedelta(seconds=1)
    assert [(group.value, [step.users for step in group.steps]) for group in answer.groups] == [
        ("", [4, 1]),
        ("ios", [1, 1]),
        ("web", [1, 1]),
    ]


def test_the_cohorts_of_four_days(filled: Service) -> None:
    """Dan viewed before the range; what happens in the microsecond of joining counts, whatever its sequence."""
    answer = ask(filled, COHORT)
    assert [[(at.users, at.events) for at in cohort.periods] for cohort in answer.cohorts] == [
        [(2, 4), (1, 1), (0, 0), (1, 1)],
        [(0, 0), (0, 0), (0, 0)],
        [(1, 2), (0, 0)],
        [(2, 3)],
    ]
    assert [(at.amount, at.orders) for at in answer.cohorts[0].periods[3].cumulative_revenue] == [("0.4", 3)]


def test_the_retention_of_four_days(filled: Service) -> None:
    """The day of 23 hours is a day, and cem comes back after the range."""
    answer = ask(filled, RETENTION)
    assert [[cell.users for cell in cohort.cells] for cohort in answer.cohorts] == [
        [2, 1, 0, 1],
        [0, 0, 0, 0],
        [1, 0, 0, 0],
        [3, 1, 0, 0],
    ]
    assert list(answer.mean) == [1, 2 / 6, 0, 1 / 6]


@pytest.mark.parametrize("asked", REPORTS, ids=repr)
def test_every_answer_repeats_its_scope_and_meaning(filled: Service, asked: Report) -> None:
    """The range and zone as asked, the question in words, and the newest receipt of what it is about."""
    info = ask(filled, asked).info
    told = json_format.MessageToDict(info)
    assert {name: told[name] for name in SCOPE} == SCOPE
    assert "[start_time, end_time)" in info.definition
    assert all(text in info.definition for text in asked.question.get("steps", ()))
    stored = filled.stub.ListEvents(json_format.ParseDict(SCOPE, ListEventsRequest()), timeout=20).events
    (received_at,) = {event.received_at.ToNanoseconds() for event in stored}
    assert info.as_of.ToNanoseconds() == received_at


@pytest.mark.parametrize("asked", REPORTS, ids=repr)
def test_an_answer_about_nothing_has_a_scope_and_no_freshness(filled: Service, asked: Report) -> None:
    """Nothing that it could be as fresh as."""
    answer = ask(filled, asked, startTime="2020-01-01T00:00:00Z", endTime="2020-01-03T00:00:00Z")
    assert answer.info.definition
    assert not answer.info.HasField("as_of")


def test_periods_under_way_are_flagged(filled: Service) -> None:
    """In every report that has periods, today's and those after it, and no other; a funnel counts who may go on."""
    filled.stub.TrackEvents(TrackEventsRequest(events=[view(user_id="today")]), timeout=20)
    scope = {"timeframe": "5d"}
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for point in ask(filled, DASHBOARD, **scope).series:
        cut = from_timestamp(point.time) < from_timestamp(ask(filled, DASHBOARD, **scope).info.start_time)
        assert point.complete != (cut or from_timestamp(point.time) >= today)
    for cohort in ask(filled, COHORT, **scope).cohorts:
        starts = [from_timestamp(cohort.start_time) + timedelta(days=period.index) for period in cohort.periods]
        assert [period.complete for period in cohort.periods] == [start < today for start in starts]
    retention = ask(filled, RETENTION, **scope)
    for cohort in retention.cohorts:
        starts = [from_timestamp(cohort.start_time) + timedelta(days=cell.index) for cell in cohort.cells]
        assert [cell.complete for cell in cohort.cells[1:]] == [start < today for start in starts[1:]]
    assert list(retention.mean) in ([], [1.0])  # only today's cohort has an actor
    funnel = ask(filled, FUNNEL, **scope)
    assert (funnel.steps[0].users, funnel.open_users) == (1, 1)
    assert len(ask(filled, EVENT_LIST, **scope).events) == 0  # of the others; lists have no periods


def test_late_events_reach_every_report(filled: Service) -> None:
    """What comes in about a time that was asked about before is counted, and the answer is as fresh as that."""
    scope = {"startTime": "2026-05-01T00:00:00Z", "endTime": "2026-05-03T00:00:00Z"}
    everybody = Report("ListEvents", "events", "", (), ListEventsRequest)

    def send(user_id: str, moment: str) -> None:
        events = [{"userId": user_id, "eventType": "view", "timestamp": moment, "data": report_questions.VIEW}]
        sent = json_format.ParseDict({"events": events, "backfill": True}, TrackEventsRequest())
        assert filled.stub.TrackEvents(sent, timeout=20).stored == 1

    def counts() -> tuple[list[int], list[datetime]]:
        answers = [ask(filled, asked, **scope) for asked in (DASHBOARD, everybody, FUNNEL, COHORT, RETENTION)]
        dashboard, listed, funnel, cohorts, retention = answers
        found = [
            dashboard.events,
            len(listed.events),
            funnel.steps[0].users,
            sum(cohort.size for cohort in cohorts.cohorts),
            sum(cohort.size for cohort in retention.cohorts),
        ]
        return found, [from_timestamp(answer.info.as_of) for answer in answers]

    send("in-time", "2026-05-02T10:00:00Z")
    before, fresh_before = counts()
    send("late", "2026-05-01T10:00:00Z")
    after, fresh_after = counts()
    assert (before, after) == ([1] * 5, [2] * 5)
    assert all(new > old for new, old in zip(fresh_after, fresh_before, strict=True))
