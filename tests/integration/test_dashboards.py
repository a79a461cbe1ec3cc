"""Dashboards from summaries: whatever is folded, late or gone, they tell what the events themselves tell."""

import json
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from reports.dashboard import reading
from reports.dashboard.reading import DashboardReader
from reports.dashboard.recent import RecentMemory
from reports.dashboard.rows import DashboardQuestion, DashboardRows, Figures
from server.reports import dashboard
from server.reports.buckets import Bucket, buckets_of
from server.reports.errors import QuestionError
from server.reports.scope import Scope, to_timestamp
from sociallive.analytics.v1.dashboard_pb2 import GetDashboardRequest, GetDashboardResponse, Precision
from storage.postgres.database import Database
from storage.postgres.errors import StorageUnavailableError
from storage.summaries.forms.lengths import LARGEST_ERROR
from storage.summaries.forms.sketch import STANDARD_ERROR
from storage.summaries.periods import Span
from storage.write.batch import COLUMNS
from tests.integration.summary_stage import SummaryStage
from tests.rows import NOON, make_row

FIRST = datetime(2026, 1, 29, tzinfo=UTC)
"""Days of two months follow."""
DAYS = 12
EVENTS = 1_500
ZONES = ("UTC", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe")
MICROSECOND = timedelta(microseconds=1)
SIGMAS = 3
"""The events, their ids included, are the same in each run, and so are the estimates."""
QUESTIONS = 15
TIMEOUT_S = 60.0
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


def question_of(start: datetime, end: datetime, zone: str) -> DashboardQuestion:
    """Make what the service asks of storage."""
    times = list(buckets_of(Scope(start, end, ZoneInfo(zone)), Bucket.DAY))
    return DashboardQuestion(start - (end - start), [start, *times[1:]], end)


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
async def stage(database_url: str, tmp_path: Path) -> AsyncIterator[SummaryStage]:
    """A server of a migrated database."""
    database = await Database.open(database_url)
    sql = await database.address.connect("test")
    yield SummaryStage(database, sql, tmp_path)
    await sql.close()
    await database.close()


def reader_of(stage: SummaryStage) -> DashboardReader:
    """Make a reader that remembers nothing yet."""
    return DashboardReader(stage.database, stage.segments.reader)


async def test_summaries_and_raw_events_tell_the_same(stage: SummaryStage) -> None:
    """With events in blocks, in small segments and in summaries, by a reader that remembers and one that does not."""
    chance = random.Random(5)  # noqa: S311 - the same events in each run
    await stage.store(*make_events(chance, EVENTS, FIRST, DAYS))
    reader = reader_of(stage)
    for number in range(QUESTIONS):
        if number % 4 == 0:
            await stage.fold()
        if number % 2:
            await stage.store(*make_events(chance, chance.randint(1, 20), FIRST, DAYS))
        if number % 5 == 0:
            await stage.seal()
        question = question_of(*random_range(chance), chance.choice(ZONES))
        raw = await reader.read(question, TIMEOUT_S, is_exact=True)
        for some in (reader, reader_of(stage)):
            check_alike(await some.read(question, TIMEOUT_S, is_exact=False), raw)


RAW, HOURS, DAY = (FIRST + timedelta(days=days) for days in (7, 6, 4))
AGES = {
    "raw events are gone": (RAW,),
    "hours are gone": (RAW + timedelta(days=2), HOURS),
    "days are gone": (RAW + timedelta(days=2), RAW + timedelta(days=1), DAY),
}


@pytest.mark.parametrize("cuts", AGES.values(), ids=AGES)
async def test_what_has_aged_out_is_counted_or_said_to_be_unknown(
    stage: SummaryStage, cuts: Sequence[datetime]
) -> None:
    """Every event counts but those in the spans which the answer names; late ones likewise."""
    chance = random.Random(6)  # noqa: S311 - the same events in each run
    rows = make_events(chance, EVENTS, FIRST, DAYS)
    await stage.store_and_fold(*rows)
    await stage.purge(*cuts)
    reader = reader_of(stage)
    unknowns = 0
    for number in range(QUESTIONS):
        if number % 3 == 1:
            late = make_events(chance, 5, FIRST, DAYS)
            rows += late
            await stage.store(*late)
        if number % 3 == 0:
            await stage.fold()
        start, end = random_range(chance)
        question = question_of(start, end, chance.choice(ZONES))
        found = await reader.read(question, TIMEOUT_S)
        unknowns += bool(found.unknown)
        assert bool(found.estimates) == (question.previous_start < cuts[0])
        assert all(span.start < cuts[0] for span in found.unknown)
        assert found.figures.events == count_in(rows, [question.current], *question.current) - count_in(
            rows, found.unknown, *question.current
        )
        known = [Span(max(span.start, start), min(span.end, end)) for span in found.unknown_series]
        assert sum(row.count for row in found.series) == count_in(rows, [question.current], start, end) - count_in(
            rows, known, start, end
        )
    assert unknowns


async def test_nothing_is_unknown_where_nothing_was_deleted(stage: SummaryStage) -> None:
    """Retention has run all the same; from the first day that is deleted on, the answer names what it cannot count."""
    question = question_of(FIRST - timedelta(days=365), FIRST + timedelta(days=1), "Asia/Kolkata")
    cuts = [FIRST - timedelta(days=days) for days in (90, 200, 300)]
    await stage.store_and_fold(make_row(timestamp=FIRST))
    await stage.purge(*cuts)
    found = await reader_of(stage).read(question, TIMEOUT_S)
    assert (found.figures.events, found.unknown, found.unknown_series, found.estimates) == (1, (), (), ())
    await stage.store_and_fold(make_row(timestamp=cuts[2] - timedelta(days=1)))
    await stage.purge(*cuts)
    assert (await reader_of(stage).read(question, TIMEOUT_S)).unknown


async def test_an_hour_until_now_is_not_cut(stage: SummaryStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as nothing happened later in it; its rows need not be read for that."""
    start, now = FIRST, FIRST + timedelta(hours=5, minutes=20)
    await stage.store_and_fold(make_row(timestamp=now - timedelta(minutes=1)))
    question = DashboardQuestion(start - (now - start), [start], now)
    assert (await reader_of(stage).read(question, TIMEOUT_S, is_exact=False)).figures.events == 1
    with monkeypatch.context() as patch:
        patch.setattr("storage.segments.snapshot.EventSnapshot.scan", None)
        reader = reader_of(stage)
        question = DashboardQuestion(start, [start + timedelta(hours=1)], now)
        assert (await reader.read(question, TIMEOUT_S, is_exact=False)).figures.events == 1
    for at in (timedelta(), timedelta(minutes=30)):
        await stage.store(make_row(timestamp=now + at))
    found = await reader_of(stage).read(question, TIMEOUT_S, is_exact=False)
    assert (found.figures.events, sum(row.count for row in found.series)) == (1, 1)


async def test_reading_starts_over_where_summaries_change_meanwhile(
    stage: SummaryStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that no newcomer is counted twice or not at all; where they change all the time, the answer says so."""
    await stage.store_and_fold(make_row(user_id="first"))
    await stage.store(make_row(user_id="second"))
    await stage.seal()
    question = question_of(NOON - timedelta(days=1), NOON + timedelta(days=1), "UTC")
    folds = 1
    read = RecentMemory.read

    async def fold_after(*arguments: Any) -> Any:
        nonlocal folds
        found = await read(*arguments)
        if folds:
            folds -= 1
            await stage.store_and_fold(make_row(user_id=f"later-{folds}"))
        return found

    monkeypatch.setattr(RecentMemory, "read", fold_after)
    rows = await reader_of(stage).read(question, TIMEOUT_S)
    assert (rows.figures.users, rows.figures.new_users) == (3, 3)
    folds = reading.MOST_STARTS
    with pytest.raises(StorageUnavailableError, match="ask again"):
        await reader_of(stage).read(question, TIMEOUT_S)


async def ask(stage: SummaryStage, precision: Precision) -> GetDashboardResponse:
    """Ask the service for the dashboard of all events."""
    question = GetDashboardRequest(
        start_time=to_timestamp(FIRST), end_time=to_timestamp(FIRST + timedelta(days=DAYS)), precision=precision
    )
    return await dashboard.answer(reader_of(stage), question, FIRST + timedelta(days=100), TIMEOUT_S)


async def test_an_answer_says_which_figures_are_estimates(stage: SummaryStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few events are counted exactly, many are estimated, and a caller can request either."""
    rows = make_events(random.Random(7), EVENTS, FIRST, DAYS)  # noqa: S311 - the same events in each run
    await stage.store_and_fold(*rows)
    counted = await ask(stage, Precision.PRECISION_UNSPECIFIED)
    exact_one = await ask(stage, Precision.PRECISION_EXACT)
    estimated = await ask(stage, Precision.PRECISION_ESTIMATED)
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
    monkeypatch.setattr(reading, "EXACT_UP_TO", EVENTS - 1)
    assert await ask(stage, Precision.PRECISION_UNSPECIFIED) == estimated
    assert await ask(stage, Precision.PRECISION_EXACT) == counted


async def test_nothing_exact_is_told_where_raw_events_are_gone(stage: SummaryStage) -> None:
    """Asking for it names the field; without asking the answer says what it estimates, however few events there are."""
    rows = make_events(random.Random(8), EVENTS, FIRST, DAYS)  # noqa: S311 - the same events in each run
    await stage.store_and_fold(*rows)
    await stage.purge(RAW)
    with pytest.raises(QuestionError, match="raw events") as refused:
        await ask(stage, Precision.PRECISION_EXACT)
    assert refused.value.field == "precision"
    assert (await ask(stage, Precision.PRECISION_UNSPECIFIED)).estimates


def count_in(rows: Sequence[tuple[Any, ...]], spans: Sequence[Span], start: datetime, end: datetime) -> int:
    """Count the events of [start, end) that lie in any of the spans, which do not overlap."""
    place = COLUMNS.index("timestamp")
    return sum(start <= row[place] < end and any(span.start <= row[place] < span.end for span in spans) for row in rows)
