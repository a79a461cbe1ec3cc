"""Retention and cohorts over gRPC, from events that were sent: edges by the day, and questions that make no sense."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from sociallive.analytics.v1.cohort_pb2 import GetCohortRequest
from sociallive.analytics.v1.retention_pb2 import GetRetentionRequest
from sociallive.analytics.v1.track_pb2 import TrackEventsRequest
from tests.acceptance.running import Service
from tests.conftest import copy_data_dir

RANGE = {"startTime": "2026-03-02T00:00:00Z", "endTime": "2026-03-05T00:00:00Z"}
SENT = [
    ("ann", "view", "2026-03-02T08:00:00Z"),
    ("ann", "view", "2026-03-02T23:59:59.999999Z"),
    ("ann", "purchase", "2026-03-03T00:00:00Z"),
    ("ann", "view", "2026-03-04T09:00:00Z"),
    ("bob", "view", "2026-03-02T10:00:00Z"),
    ("bob", "purchase", "2026-03-03T10:00:00Z"),
    ("cy", "view", "2026-03-01T23:59:59Z"),
    ("cy", "view", "2026-03-03T10:00:00Z"),
    ("di", "view", "2026-03-04T10:00:00Z"),
    ("di", "view", "2026-03-06T10:00:00Z"),
]
PAYLOADS = {
    "view": {"contentType": "post", "contentId": "1"},
    "purchase": {"productId": "p", "orderId": "o", "amount": 19.99, "currency": "EUR"},
}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory, made_database: Path) -> Iterator[Service]:
    """A service with a few days of four users."""
    folder: Path = tmp_path_factory.mktemp("retention")
    events = [
        {"userId": user, "eventType": kind, "timestamp": time, "data": PAYLOADS[kind]} for user, kind, time in SENT
    ]
    with Service(copy_data_dir(made_database, folder / "data")) as service:
        request = json_format.ParseDict({"events": events, "backfill": True}, TrackEventsRequest())
        assert service.stub.TrackEvents(request, timeout=20).stored == len(SENT)
        yield service


def retention(service: Service, **question: Any) -> dict[str, Any]:
    """Ask for a retention."""
    request = json_format.ParseDict({**RANGE, **question}, GetRetentionRequest())
    answer = service.stub.GetRetention(request, timeout=20)
    return json_format.MessageToDict(answer, always_print_fields_with_no_presence=True)


def table(answer: dict[str, Any]) -> list[list[int]]:
    """Read the users of each cohort's cells."""
    return [[int(cell["users"]) for cell in cohort["cells"]] for cohort in answer["cohorts"]]


def test_actors_return_by_calendar_days(reports: Service) -> None:
    """Midnight is the next day, a return on the day of entry adds nothing, and cy came before the range."""
    answer = retention(reports)
    assert table(answer) == [[2, 2, 1], [0, 0, 0], [1, 0, 1]]
    assert answer["mean"] == [1.0, 2 / 3, 2 / 3]
    assert answer["info"]["timeZone"] == "UTC"
    assert "by its first event ever" in answer["info"]["definition"]
    assert all(cell["complete"] for cohort in answer["cohorts"] for cell in cohort["cells"])


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ({"entry": "RETENTION_ENTRY_FIRST_IN_RANGE"}, [[2, 2, 1], [1, 0, 0], [1, 0, 1]]),
        ({"entry": "RETENTION_ENTRY_RECURRING"}, [[2, 2, 1], [3, 1, 0], [2, 0, 1]]),
        ({"kind": "RETENTION_KIND_ON_OR_AFTER"}, [[2, 2, 1], [0, 0, 0], [1, 1, 1]]),
        ({"kind": "RETENTION_KIND_BRACKETS", "brackets": ["1-2", "3-9"]}, [[2, 2, 0], [0, 0, 0], [1, 1, 0]]),
        ({"window": "RETENTION_WINDOW_ROLLING_24H"}, [[2, 1, 1], [0, 0, 0], [1, 0, 1]]),
        ({"entryStep": "view", "returnStep": "purchase:amount<20"}, [[2, 2, 0], [0, 0, 0], [1, 0, 0]]),
        ({"timeZone": "America/New_York"}, [[0, 0, 0, 0], [2, 1, 1, 0], [0, 0, 0, 0], [1, 0, 1, 0]]),
        ({"granularity": "GRANULARITY_WEEK", "periods": 2}, [[3, 0, 0]]),
        ({"granularity": "GRANULARITY_MONTH", "periods": 1}, [[3, 0]]),
    ],
)
def test_a_question_decides_who_enters_and_what_counts(
    reports: Service, question: dict[str, Any], expected: list[list[int]]
) -> None:
    """Each by the same ten events."""
    assert table(retention(reports, **question)) == expected


def test_cohorts_tell_users_events_and_revenue(reports: Service) -> None:
    """By the first event ever, day by day, with what has come together."""
    request = json_format.ParseDict(RANGE, GetCohortRequest())
    answer = reports.stub.GetCohort(request, timeout=20)
    assert [cohort.size for cohort in answer.cohorts] == [2, 0, 1]
    first = answer.cohorts[0]
    assert [(at.index, at.users, at.events, at.share, at.complete) for at in first.periods] == [
        (0, 2, 3, 1.0, True),
        (1, 2, 2, 1.0, True),
        (2, 1, 1, 0.5, True),
    ]
    assert [at.cumulative_events for at in first.periods] == [3, 5, 6]
    assert [(item.currency, item.amount, item.orders) for item in first.periods[2].cumulative_revenue] == [
        ("EUR", "39.98", 2)
    ]
    assert [len(cohort.periods) for cohort in answer.cohorts] == [3, 2, 1]


def test_cohorts_by_a_step_count_from_there_on(reports: Service) -> None:
    """Views before the first purchase are not what a buyer did."""
    request = json_format.ParseDict({**RANGE, "step": "purchase"}, GetCohortRequest())
    answer = reports.stub.GetCohort(request, timeout=20)
    assert [cohort.size for cohort in answer.cohorts] == [0, 2, 0]
    assert [(at.users, at.events) for at in answer.cohorts[1].periods] == [(2, 2), (1, 1)]
