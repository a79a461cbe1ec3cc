"""Dashboards from rollups: whatever is folded, late or gone, they tell what the events themselves tell."""

import json
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from server.reports import dashboard
from server.reports.buckets import Bucket, buckets_of
from server.reports.desk import ReportDesk
from server.reports.errors import QuestionError
from server.reports.scope import Scope, to_timestamp
from sociallive.analytics.v1.dashboard_pb2 import GetDashboardRequest, GetDashboardResponse, Precision
from storage.postgres.database import Database
from storage.postgres.reader import Reader, Snapshot
from storage.reports.dashboard_rollups import sum_dashboard, survey_dashboard
from storage.reports.dashboard_rows import DashboardRows, Figures, read_dashboard
from storage.retention import RetentionPolicy, purge_aged
from storage.rollups import fold
from storage.rollups.cover import Span
from storage.rollups.forms.lengths import LARGEST_ERROR
from storage.rollups.forms.sketch import STANDARD_ERROR
from storage.write.batch import COLUMNS
from tests.rows import make_batch, make_row, make_store

FIRST = datetime(2026, 1, 29, tzinfo=UTC)
"""Days of two months follow."""
DAYS = 12
EVENTS = 1_500
ZONES = ("UTC", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe")
MICROSECOND = timedelta(microseconds=1)
SIGMAS = 3
"""The events, their ids included, are the same in each run, and so are the estimates."""
QUESTIONS = 30
FIGURES = ["users", "median_view_duration", "streams.live_streams"]


def make_events(chance: random.Random, count: int, start: datetime, days: int) -> list[tuple[Any, ...]]:
    """Make rows of all types at random times, many of them first or last moments of hours."""
    rows = []
    for _ in range(count):
        time = start + timedelta(microseconds=chance.randrange(days * 86_400_000_000))
        if chance.random() < 0.2:
            time = time.replace(minute=0, second=0, microsecond=0) - chance.choice((timedelta(), MICROSECOND))
        event_type, data = _payload(chance)
        rows.append(
            make_row(
                event_id=str(UUID(int=chance.getrandbits(128), version=4)),
                timestamp=max(start, time),
                received_at=time + timedelta(seconds=chance.randint(0, 90_000)),
                event_type=event_type,
                user_id=chance.choice((None, f"user-{chance.randint(1, 200)}")),
                session_id=chance.choice((None, f"session-{chance.randint(1, 400)}")),
                platform=chance.choice(("web", "ios", None)),
                event_data=json.dumps(data),
            )
        )
    return rows


def _payload(chance: random.Random) -> tuple[str, dict[str, Any]]:
    told = chance.random() < 0.7
    match chance.choice(("view", "view", "purchase", "stream", "session")):
        case "view":
            data: dict[str, Any] = {"contentType": "post", "contentId": str(chance.randint(1, 30))}
            return "view", data | ({"viewDuration": chance.randrange(0, 9000) / 100} if told else {})
        case "purchase":
            data = {"amount": chance.choice((0.1, 29.99, 10**12, 0.01)), "currency": chance.choice(("EUR", "USD"))}
            path = [chance.choice(("feed", "search")) for _ in range(chance.randint(1, 3))]
            return "purchase", data | ({"conversionPath": path} if told else {})
        case "stream":
            data = {"streamId": f"s{chance.randint(1, 40)}", "action": "join"}
            return "stream", data | ({"viewerCount": chance.randint(0, 500), "watchDuration": 0.7} if told else {})
        case other:
            return other, {"action": "start"}


async def store(database: Database, rows: Sequence[tuple[Any, ...]]) -> None:
    """Store rows as the service does."""
    writer = make_store(database)
    await writer.store(make_batch(rows))
    await writer.close()


async def ask_both(snapshot: Snapshot, start: datetime, end: datetime, zone: str) -> tuple[DashboardRows, ...]:
    """Read a dashboard from rollups, and from raw events."""
    times = list(buckets_of(Scope(start, end, ZoneInfo(zone)), Bucket.DAY))
    before, starts = start - (end - start), [start, *times[1:]]
    survey = await survey_dashboard(snapshot, previous_start=before, period_starts=starts, end=end)
    raw = await read_dashboard(
        snapshot, previous_start=before, period_starts=starts, end=end, newcomers=survey.newcomers
    )
    assert survey.events_at_most >= raw.figures.events + raw.previous.events
    return await sum_dashboard(snapshot, survey), raw


def check_alike(summed: DashboardRows, raw: DashboardRows) -> None:
    """See that what is not said to be an estimate is the same, and estimates lie within their errors.

    A standard error bounds nothing: of these few actors sketches are hardly ever one off.
    """
    assert [estimate.figure for estimate in summed.estimates] == FIGURES
    for one, other in ((summed.figures, raw.figures), (summed.previous, raw.previous)):
        assert one.users == pytest.approx(other.users, rel=SIGMAS * STANDARD_ERROR, abs=1)
        assert one.streams.live_streams == pytest.approx(other.streams.live_streams, rel=SIGMAS * STANDARD_ERROR, abs=1)
        assert (one.median_view_duration is None) == (other.median_view_duration is None)
        median = other.median_view_duration or 0
        assert (one.median_view_duration or 0) == pytest.approx(median, rel=LARGEST_ERROR, abs=0.001)
        assert exact(one) == exact(other)
    assert not summed.unknown
    assert not summed.unknown_series
    summed = replace(summed, figures=raw.figures, previous=raw.previous)
    assert replace(summed, estimates=(), unknown=(), unknown_series=()) == raw


def exact(figures: Figures) -> Figures:
    """Leave estimates out, and write amounts in one way, whatever zeros they end in."""
    return replace(
        figures,
        users=0,
        median_view_duration=None,
        streams=replace(figures.streams, live_streams=0),
        revenue=tuple(replace(row, amount=f"{Decimal(row.amount).normalize():f}") for row in figures.revenue),
    )


def random_range(chance: random.Random) -> tuple[datetime, datetime]:
    """Make a range whose ends lie anywhere, or on an hour or a day."""
    ends: list[datetime] = []
    while len(set(ends)) < 2:
        time = FIRST + timedelta(microseconds=chance.randrange(DAYS * 86_400_000_000))
        match chance.randint(0, 2):
            case 0:
                time = time.replace(minute=0, second=0, microsecond=0)
            case 1:
                time = time.replace(hour=0, minute=0, second=0, microsecond=0)
        ends.append(time)
    return min(ends), max(ends)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A migrated database."""
    opened = await Database.open(database_url)
    yield opened
    await opened.close()


async def test_rollups_and_raw_events_tell_the_same(database: Database) -> None:
    """With late events that are not folded in every second question, and with parts read in other snapshots."""
    chance = random.Random(5)  # noqa: S311 - the same events in each run
    await store(database, make_events(chance, EVENTS, FIRST, DAYS))
    reader = Reader(database)
    for number in range(QUESTIONS):
        if number % 4 == 0:
            await fold(database)
        if number % 2:
            await store(database, make_events(chance, chance.randint(1, 20), FIRST, DAYS))
        start, end = random_range(chance)
        async with reader.snapshot(60) as snapshot:
            summed, raw = await ask_both(snapshot, start, end, chance.choice(ZONES))
        check_alike(summed, raw)


AGES = {
    "raw events are gone": RetentionPolicy(raw_days=93, hourly_days=0, daily_days=0),
    "hours are gone": RetentionPolicy(raw_days=91, hourly_days=94, daily_days=0),
    "days are gone": RetentionPolicy(raw_days=91, hourly_days=92, daily_days=94),
}
NOW = FIRST + timedelta(days=100)


@pytest.mark.parametrize("policy", AGES.values(), ids=AGES)
async def test_what_has_aged_out_is_counted_or_said_to_be_unknown(database: Database, policy: RetentionPolicy) -> None:
    """Every event counts but those that have aged out of the spans which the answer names; late ones always do."""
    chance = random.Random(6)  # noqa: S311 - the same events in each run
    aged = make_events(chance, EVENTS, FIRST, DAYS)
    await store(database, aged)
    await fold(database)
    await purge_aged(database, policy, NOW)
    late: list[tuple[Any, ...]] = []
    reader = Reader(database)
    unknowns = 0
    kept = policy.raw_before(NOW)
    assert kept is not None
    for number in range(QUESTIONS):
        if number % 3 == 1:
            some = make_events(chance, 5, FIRST, DAYS)
            late += some
            await store(database, some)
        if number % 3 == 0:
            await fold(database)
        start, end = random_range(chance)
        times = list(buckets_of(Scope(start, end, ZoneInfo(chance.choice(ZONES))), Bucket.DAY))
        async with reader.snapshot(60) as snapshot:
            survey = await survey_dashboard(
                snapshot, previous_start=start - (end - start), period_starts=[start, *times[1:]], end=end
            )
            rows = await sum_dashboard(snapshot, survey)
        unknowns += bool(rows.unknown)
        assert survey.aged_out == (start - (end - start) < kept), (number, start, end)
        lost = count_in(aged, [span for span in rows.unknown if span.start < kept], start, end)
        found = count_in(aged, [Span(start, end)], start, end) + count_in(late, [Span(start, end)], start, end)
        assert rows.figures.events == found - lost, (number, start, end)
    assert unknowns


async def ask(database: Database, precision: Precision, now: datetime = NOW) -> GetDashboardResponse:
    """Ask the service for the dashboard of all events."""
    question = GetDashboardRequest(
        start_time=to_timestamp(FIRST), end_time=to_timestamp(FIRST + timedelta(days=DAYS)), precision=precision
    )
    return await ReportDesk(Reader(database), now=lambda: now, concurrent=1).answer(
        dashboard.answer, question, remaining_s=None
    )


async def test_an_answer_says_which_figures_are_estimates(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few events are counted exactly, many are estimated, and a caller can request either."""
    await store(database, make_events(random.Random(7), EVENTS, FIRST, DAYS))  # noqa: S311 - the same events in each run
    await fold(database)
    counted = await ask(database, Precision.PRECISION_UNSPECIFIED)
    exact_one = await ask(database, Precision.PRECISION_EXACT)
    estimated = await ask(database, Precision.PRECISION_ESTIMATED)
    assert counted == exact_one
    assert not counted.estimates
    errors = {
        one.figure: (one.WhichOneof("error"), one.standard_error or one.largest_error) for one in estimated.estimates
    }
    assert errors == {
        "users": ("standard_error", STANDARD_ERROR),
        "median_view_duration": ("largest_error", LARGEST_ERROR),
        "streams.live_streams": ("standard_error", STANDARD_ERROR),
    }
    assert (estimated.events, estimated.new_users, estimated.orders) == (
        counted.events,
        counted.new_users,
        counted.orders,
    )
    monkeypatch.setattr(dashboard, "EXACT_UP_TO", EVENTS - 1)
    assert await ask(database, Precision.PRECISION_UNSPECIFIED) == estimated
    assert await ask(database, Precision.PRECISION_EXACT) == counted


async def test_nothing_exact_is_told_where_raw_events_are_gone(database: Database) -> None:
    """Asking for it names the field; without asking the answer says what it estimates, however few events there are."""
    await store(database, make_events(random.Random(8), EVENTS, FIRST, DAYS))  # noqa: S311 - the same events in each run
    await fold(database)
    await purge_aged(database, AGES["raw events are gone"], NOW)
    with pytest.raises(QuestionError, match="raw events") as refused:
        await ask(database, Precision.PRECISION_EXACT)
    assert refused.value.field == "precision"
    assert (await ask(database, Precision.PRECISION_UNSPECIFIED)).estimates


def count_in(rows: Sequence[tuple[Any, ...]], spans: Sequence[Span], start: datetime, end: datetime) -> int:
    """Count the events of [start, end) that lie in any of the spans, which do not overlap."""
    place = COLUMNS.index("timestamp")
    return sum(start <= row[place] < end and any(span.start <= row[place] < span.end for span in spans) for row in rows)
