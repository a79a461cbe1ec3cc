"""Dashboard and sessions: Postgres, DuckDB and the definition agree about thousands of histories."""

import json
import random
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
from asyncpg import Record

from server.reports.buckets import Bucket, buckets_of
from server.reports.scope import Scope
from storage.postgres import reader
from storage.postgres.database import Database
from storage.postgres.reader import Reader, Snapshot
from storage.reports import dashboard_rows
from storage.reports.dashboard_rollups import Survey, sum_dashboard, survey_dashboard
from storage.reports.dashboard_rows import DashboardRows, Figures, RevenueTotal, read_dashboard
from storage.reports.predicates import Query
from storage.rollups import fold, newcomers
from storage.rollups.forms.lengths import LARGEST_ERROR
from storage.rollups.forms.sketch import STANDARD_ERROR
from storage.sql import statement
from storage.write.batch import COLUMNS
from tests.oracle.dashboard import Seen, expected_dashboard, period_name
from tests.oracle.stores import ask_duckdb, load_duckdb, load_postgres, open_duckdb
from tests.rows import make_row

ACTORS = 5_000
MICROSECOND = timedelta(microseconds=1)
CHANGES = {
    "America/New_York": datetime(2026, 3, 8, 7, tzinfo=UTC),  # forward at 02:00
    "Africa/Cairo": datetime(2026, 4, 23, 22, tzinfo=UTC),  # forward at 00:00: midnight does not happen
    "Australia/Lord_Howe": datetime(2026, 4, 4, 15, tzinfo=UTC),  # back by half an hour
    "Asia/Kathmandu": datetime(2026, 1, 31, 18, 15, tzinfo=UTC),  # the end of a month, at :15 UTC
}
"""Moments around which everything happens: each zone's clocks move, or its month ends."""


@dataclass(frozen=True)
class Question:
    """A dashboard's range, and the periods of its series."""

    start: datetime
    end: datetime
    bucket: Bucket
    zone: str

    @property
    def previous_start(self) -> datetime:
        """The first moment of the range before."""
        return self.start - (self.end - self.start)

    @property
    def times(self) -> list[datetime]:
        """The first moments of the periods."""
        return list(buckets_of(Scope(self.start, self.end, ZoneInfo(self.zone)), self.bucket))


def questions() -> list[Question]:
    """Ranges before, over and after each change, cut to the microsecond, in each bucket and zone."""
    asked = []
    for zone, change in CHANGES.items():
        for start, end, bucket in (
            (change - timedelta(hours=36), change + timedelta(hours=36), Bucket.DAY),
            (change - timedelta(hours=6), change + timedelta(hours=6), Bucket.HOUR),
            (change, change + timedelta(hours=2, microseconds=1), Bucket.MINUTE),
            (change - timedelta(hours=25) + MICROSECOND, change, Bucket.HOUR),
        ):
            asked.append(Question(start, end, bucket, zone))
    first, last = min(CHANGES.values()), max(CHANGES.values())
    asked.append(Question(first - timedelta(days=3), last + timedelta(days=3), Bucket.DAY, "America/New_York"))
    asked.append(Question(last + timedelta(days=100), last + timedelta(days=101), Bucket.HOUR, "UTC"))
    return asked


def make_events(seed: int) -> list[Seen]:
    """Make the events of ACTORS actors: gaps of half an hour and a microsecond less, ties, days without pause."""
    chance = random.Random(seed)  # noqa: S311 - the same histories in each run
    events: list[Seen] = []
    for number in range(ACTORS):
        change = chance.choice(list(CHANGES.values()))
        user_id = chance.choice((None, f"user-{number}"))
        sessions = [None, None, f"session-{number}", f"session-{number // 3}"]
        time = change + timedelta(minutes=30 * chance.randint(-80, 80), microseconds=chance.choice((-1, 0, 0, 1)))
        if number % 50 == 0:  # longer than a day, with an event exactly 24 hours after the first
            times = [time + timedelta(minutes=20 * step) for step in range(chance.choice((72, 73, 74, 146)))]
            sessions = [None]
        else:
            gaps = [0, 1, 29, 30, 30, 60, 1440]
            times = [time]
            for _ in range(chance.randint(0, 7)):
                gap = timedelta(minutes=chance.choice(gaps), microseconds=chance.choice((-1, 0, 0)))
                times.append(max(time, times[-1] + gap))
        for moment in times:
            session_id = chance.choice(sessions)
            event_type, data = _payload(chance)
            events.append(
                Seen(
                    actor_id=user_id or session_id or str(uuid.UUID(int=chance.getrandbits(128), version=4)),
                    session_id=session_id,
                    timestamp=moment,
                    received_at=moment + timedelta(seconds=chance.choice((0, 1, 90_000))),
                    event_type=event_type,
                    platform=chance.choice(("web", "ios", "android", None)),
                    data=data,
                )
            )
    return events


def _payload(chance: random.Random) -> tuple[str, dict[str, Any]]:
    """Make a payload; measures are missing half of the time, as in schema 1.0.0."""
    told = chance.random() < 0.5
    match chance.choice(("view", "view", "view", "purchase", "stream", "session")):
        case "view":
            data: dict[str, Any] = {
                "contentType": chance.choice(("post", "shop")),
                "contentId": str(chance.randint(1, 9)),
            }
            return "view", data | ({"viewDuration": Decimal(chance.randrange(0, 9000)) / 100} if told else {})
        case "purchase":
            amount = chance.choice((Decimal("0.1"), Decimal("29.99"), Decimal(10**12), Decimal("0.01")))
            data = {"amount": amount, "currency": chance.choice(("EUR", "USD"))}
            path = [chance.choice(("feed", "search", "a, b")) for _ in range(chance.randint(1, 3))]
            return "purchase", data | ({"conversionPath": path} if told else {})
        case "stream":
            data = {"streamId": f"s{chance.randint(1, 40)}", "action": "join"}
            measures = {"viewerCount": chance.randint(0, 500), "watchDuration": Decimal(chance.randint(0, 6000)) / 10}
            return "stream", data | (measures if told else {})
        case other:
            return other, {"action": "start"}


def make_stored(event: Seen, number: int) -> tuple[Any, ...]:
    """Make the row that is stored of an event."""
    data = json.dumps(event.data, default=lambda exact: json.loads(str(exact)))
    signed_in = event.actor_id.startswith("user-")
    event_id = str(uuid.UUID(int=number, version=4))
    row = make_row(
        event_id=event_id,
        event_type=event.event_type,
        timestamp=event.timestamp,
        received_at=event.received_at,
        user_id=event.actor_id if signed_in else None,
        session_id=event.session_id,
        platform=event.platform,
        event_data=data,
    )
    return tuple(event.actor_id if name == "actor_id" else value for name, value in zip(COLUMNS, row, strict=True))


class DuckSnapshot(Snapshot):
    """Answers from DuckDB what a snapshot answers from Postgres."""

    def __init__(self, duck: duckdb.DuckDBPyConnection) -> None:
        self._duck = duck

    async def fetch_each(self, queries: Sequence[Query]) -> list[list[Record]]:
        """Ask DuckDB one statement after the other."""
        return [ask_duckdb(self._duck, query.text, query.parameters) for query in queries]  # type: ignore[misc]


@dataclass(frozen=True)
class Asked:
    """The same events three times."""

    events: list[Seen]
    reader: Reader
    duck: duckdb.DuckDBPyConnection
    expected: dict[Question, DashboardRows] = field(default_factory=dict)


@pytest.fixture(scope="module")
async def asked(module_database_url: str) -> AsyncIterator[Asked]:
    """Five thousand actors, each with a history of its own, in both stores."""
    events = make_events(11)
    rows = [make_stored(event, number) for number, event in enumerate(events)]
    database = await Database.open(module_database_url)
    # Some hours are folded, some are not, some in part.
    await load_postgres(database, rows[: len(rows) * 3 // 4])
    await fold(database)
    await load_postgres(database, rows[len(rows) * 3 // 4 :])
    with open_duckdb() as duck:
        load_duckdb(duck, rows)
        yield Asked(events, Reader(database), duck)
    await database.close()


def expected_of(asked: Asked, question: Question) -> DashboardRows:
    """Ask the oracle, once a question."""
    if question not in asked.expected:
        zone, bucket = ZoneInfo(question.zone), question.bucket.value
        places = {period_name(time, bucket, zone): place for place, time in enumerate(question.times)}
        assert len(places) == len(question.times)
        asked.expected[question] = alike(
            expected_dashboard(asked.events, question.start, question.end, places=places, bucket=bucket, zone=zone)
        )
    return asked.expected[question]


async def ask_postgres(asked: Asked, question: Question) -> DashboardRows:
    """Ask as the service does."""
    async with asked.reader.snapshot(60) as snapshot:
        known = await survey(snapshot, question)
        return await ask(snapshot, question, known.newcomers)


async def ask(snapshot: Snapshot, question: Question, seen_first: Sequence[int]) -> DashboardRows:
    """Ask either store for what raw events tell."""
    rows = await read_dashboard(
        snapshot,
        previous_start=question.previous_start,
        period_starts=[question.start, *question.times[1:]],
        end=question.end,
        newcomers=seen_first,
    )
    return alike(rows)


async def survey(snapshot: Snapshot, question: Question) -> Survey:
    """Look at the rollups of a question's range."""
    return await survey_dashboard(
        snapshot,
        previous_start=question.previous_start,
        period_starts=[question.start, *question.times[1:]],
        end=question.end,
    )


def alike(rows: DashboardRows) -> DashboardRows:
    """Write amounts without zeros at their end, which DuckDB adds, medians without their last binary digit, and UTC."""

    def bare(revenue: Sequence[RevenueTotal]) -> tuple[RevenueTotal, ...]:
        return tuple(replace(row, amount=f"{Decimal(row.amount).normalize():f}") for row in revenue)

    def figures(some: Figures) -> Figures:
        median = some.median_view_duration
        return replace(
            some, revenue=bare(some.revenue), median_view_duration=None if median is None else round(median, 9)
        )

    return replace(
        rows,
        figures=figures(rows.figures),
        previous=figures(rows.previous),
        top_paths=[replace(path, revenue=bare(path.revenue)) for path in rows.top_paths],
        as_of=rows.as_of and rows.as_of.astimezone(UTC),
    )


@pytest.mark.parametrize("question", questions(), ids=repr)
async def test_the_oracle_agrees_about_every_figure(asked: Asked, question: Question) -> None:
    """All figures of the range and of the one before, in both stores, over all five thousand histories."""
    expected = expected_of(asked, question)
    assert await ask_postgres(asked, question) == expected
    async with asked.reader.snapshot(60) as snapshot:
        known = await survey(snapshot, question)
    assert await ask(DuckSnapshot(asked.duck), question, known.newcomers) == expected


@pytest.mark.parametrize("question", questions(), ids=repr)
async def test_the_oracle_agrees_about_rollups(asked: Asked, question: Question) -> None:
    """Also of hours that are folded in part: exact figures are the same, estimates as near as they say."""
    expected = expected_of(asked, question)
    async with asked.reader.snapshot(60) as snapshot:
        found = alike(await sum_dashboard(snapshot, await survey(snapshot, question)))
    errors = {estimate.figure: estimate.standard_error or 0 for estimate in found.estimates}
    for one, other in ((found.figures, expected.figures), (found.previous, expected.previous)):
        assert one.users == pytest.approx(other.users, rel=3 * STANDARD_ERROR, abs=1)
        assert one.sessions == pytest.approx(other.sessions, rel=3 * errors.get("sessions", 0))
        assert (one.mean_session_duration or 0) == pytest.approx(
            other.mean_session_duration or 0, rel=3 * errors.get("mean_session_duration", 0), abs=1e-9
        )
        assert one.streams.live_streams == pytest.approx(other.streams.live_streams, rel=3 * STANDARD_ERROR, abs=1)
        assert (one.median_view_duration or 0) == pytest.approx(
            other.median_view_duration or 0, rel=LARGEST_ERROR, abs=0.001
        )
    assert without_estimates(found) == without_estimates(expected)


def without_estimates(rows: DashboardRows) -> DashboardRows:
    """Leave out what rollups only estimate."""

    def figures(some: Figures) -> Figures:
        return replace(
            some,
            users=0,
            sessions=0,
            mean_session_duration=None,
            median_view_duration=None,
            streams=replace(some.streams, live_streams=0),
        )

    return replace(
        rows,
        figures=figures(rows.figures),
        previous=figures(rows.previous),
        estimates=(),
        unknown=(),
        unknown_series=(),
    )


MUTATIONS = {
    "half an hour that is one session": (
        "dashboard_sessions",
        "first_at >= active_until +",
        "first_at > active_until +",
    ),
    "a session without end": ("dashboard_sessions", "1 + CAST(floor(", "1 + 0 * CAST(floor("),
    "sessions of ids alone": ("dashboard_sessions", "session_id IS NULL", "session_id = ''"),
    "sessions of all actors together": (
        "dashboard_sessions",
        "lag(last_at) OVER (PARTITION BY actor_id",
        "lag(last_at) OVER (PARTITION BY 1",
    ),
    "an end that is in range": ("dashboard_users", "timestamp < $3", "timestamp <= $3"),
    "newcomers of two days": ("new_actors", "first_at >= hours_end", "first_at > hours_end"),
    "newcomers who are not folded": ("unfolded_actors", "sight.first_at IS NULL OR", ""),
    "newcomers who came late": ("unfolded_actors", "OR seen.first_at < sight.first_at", ""),
    "newcomers who gave a session": ("dashboard_users", "user_id IS NULL AND session_id IS NULL", "user_id IS NULL"),
    "anonymous ones of both ranges": ("dashboard_users", "came_before AND anonymous", "anonymous"),
    "a period that starts a moment late": (
        "dashboard_counts",
        "width_bucket(timestamp,",
        "width_bucket(timestamp - INTERVAL '1 microsecond',",
    ),
    "receipts that are forgotten": ("dashboard_counts", "max(received_at)", "min(received_at)"),
    "counts of one type": ("dashboard_counts", "count(*) AS count", "count(platform) AS count"),
    "a median of the lower half": ("dashboard_dwell", "percentile_cont(0.5)", "percentile_disc(0.5)"),
    "durations of views that tell none": ("dashboard_dwell", "count(duration)", "count(*)"),
    "a start that is out of range": ("dashboard_dwell", "timestamp >= $1", "timestamp > $1"),
    "streams counted twice": ("dashboard_streams", "count(DISTINCT stream_id)", "count(stream_id)"),
    "viewers where none are told": ("dashboard_streams", "count(viewers)", "count(*)"),
    "the fewest viewers": ("dashboard_streams", "max(viewers)", "min(viewers)"),
    "revenue that is rounded": ("dashboard_revenue", "sum(amount)", "round(sum(amount), 1)"),
    "currencies together": ("dashboard_revenue", "event_data ->> 'currency' AS", "'EUR' AS"),
    "orders of one amount": ("dashboard_revenue", "count(*)", "count(DISTINCT amount)"),
    "the least used paths": (
        "dashboard_paths",
        'ORDER BY orders DESC, path COLLATE "C"\n    LIMIT',
        'ORDER BY orders, path COLLATE "C"\n    LIMIT',
    ),
    "purchases without a path": ("dashboard_paths", "WHERE path IS NOT NULL", "WHERE path IS NOT NULL OR TRUE"),
    "paths of one currency": ("dashboard_paths", "sum(orders) AS", "max(orders) AS"),
    "the least viewed content": ("dashboard_content", "views DESC", "views"),
    "content of one kind": ("dashboard_content", "event_data ->> 'contentType' AS", "'post' AS"),
    "ties that fall otherwise": ("dashboard_content", 'content_id COLLATE "C"', 'content_id COLLATE "C" DESC'),
}
"""What each change does: the statement, the text, and what stands in its place."""


@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_the_oracle_sees_a_change_of_the_statement(
    asked: Asked, mutation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The histories are sharp enough to tell any of them."""
    name, old, new = MUTATIONS[mutation]
    assert old in statement(f"read/{name}")

    def mutated(wanted: str) -> str:
        text = statement(wanted)
        return text.replace(old, new) if wanted == f"read/{name}" else text

    for module in (dashboard_rows, newcomers, reader):
        monkeypatch.setattr(module, "statement", mutated)
    for question in questions():
        if await differs(asked, question):
            return
    pytest.fail("no question's answer changed")


async def differs(asked: Asked, question: Question) -> bool:
    """Tell whether Postgres's answer is another than the oracle's, or none."""
    try:
        return await ask_postgres(asked, question) != expected_of(asked, question)
    except (AttributeError, TypeError, ValueError):  # a null where there is none
        return True
