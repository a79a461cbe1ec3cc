"""Dashboard and sessions: the kernel, the summaries and the definition agree about thousands of histories."""

import inspect
import json
import random
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from reports.dashboard import exact, figures
from reports.dashboard.rows import DashboardQuestion, DashboardRows, Figures, RevenueTotal
from server.reports.buckets import Bucket, buckets_of
from server.reports.scope import Scope
from storage.segments.scopes import microseconds
from storage.segments.tables import concatenate, integers, sort
from storage.summaries import columns, counting, summarise
from storage.write.batch import COLUMNS
from tests.event_tables import make_table
from tests.oracle.dashboard import Seen, expected_dashboard, period_name
from tests.rows import make_row

ACTORS = 5_000
MICROSECOND = timedelta(microseconds=1)
DIGITS = (Decimal(0), Decimal(0), Decimal("0.00000001"))
"""Durations have few digits, as a rule."""
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
    def asked(self) -> DashboardQuestion:
        """What is asked of storage."""
        return DashboardQuestion(self.previous_start, [self.start, *self.times[1:]], self.end)

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
            return "view", data | (
                {"viewDuration": Decimal(chance.randrange(0, 9000)) / 100 + chance.choice(DIGITS)} if told else {}
            )
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


@dataclass(frozen=True)
class Histories:
    """The same events twice: for the oracle, and in tables of all events of some actors each."""

    events: list[Seen]
    tables: list[pa.Table]
    expected: dict[Question, DashboardRows] = field(default_factory=dict)

    def newcomers(self, question: Question) -> list[int]:
        """Count who was seen first in the range, and in the one before."""
        times = np.concatenate([summarise.first_sights(table)[1] for table in self.tables])
        bounds = [microseconds(moment) for moment in (question.previous_start, question.start, question.end)]
        before, inside = np.histogram(times[times < bounds[2]], bounds)[0].tolist()
        return [inside, before]


@pytest.fixture(scope="module")
def asked() -> Histories:
    """Five thousand actors, each with a history of its own."""
    events = make_events(11)
    rows = [make_stored(event, number) for number, event in enumerate(events)]
    # Parts as blocks have them; their dictionaries differ.
    table = sort(concatenate([make_table(rows[start::3]) for start in range(3)]))
    actors = integers(table, "actor_hash")
    cuts = [0, *np.searchsorted(actors, [-(2**62), 0, 2**62]).tolist(), len(actors)]
    tables = [table.slice(start, end - start) for start, end in pairwise(cuts)]
    return Histories(events, tables)


def expected_of(asked: Histories, question: Question) -> DashboardRows:
    """Ask the oracle, once a question."""
    if question not in asked.expected:
        zone, bucket = ZoneInfo(question.zone), question.bucket.value
        places = {period_name(time, bucket, zone): place for place, time in enumerate(question.times)}
        assert len(places) == len(question.times)
        asked.expected[question] = alike(
            expected_dashboard(asked.events, question.start, question.end, places=places, bucket=bucket, zone=zone)
        )
    return asked.expected[question]


def count_exactly(asked: Histories, question: Question, kernel: ModuleType = exact) -> DashboardRows:
    """Count part by part, as the service does."""
    parts = [kernel.count_part(table, question.asked) for table in asked.tables]
    return alike(kernel.rows_of(parts, asked.newcomers(question)))


def alike(rows: DashboardRows) -> DashboardRows:
    """Write amounts without zeros at their end, medians without their last binary digit, and UTC."""

    def bare(revenue: Sequence[RevenueTotal]) -> tuple[RevenueTotal, ...]:
        return tuple(replace(row, amount=f"{Decimal(row.amount).normalize():f}") for row in revenue)

    def written(some: Figures) -> Figures:
        median = some.median_view_duration
        return replace(
            some, revenue=bare(some.revenue), median_view_duration=None if median is None else round(median, 9)
        )

    return replace(
        rows,
        figures=written(rows.figures),
        previous=written(rows.previous),
        top_paths=[replace(path, revenue=bare(path.revenue)) for path in rows.top_paths],
        as_of=rows.as_of and rows.as_of.astimezone(UTC),
    )


@pytest.mark.parametrize("question", questions(), ids=repr)
def test_the_oracle_agrees_about_every_figure(asked: Histories, question: Question) -> None:
    """All figures of the range and of the one before, over all five thousand histories."""
    assert count_exactly(asked, question) == expected_of(asked, question)


def test_no_events_make_an_empty_dashboard() -> None:
    """Rather than an error."""
    rows = exact.rows_of([], [0, 0])
    assert (rows.figures.events, rows.figures.users, rows.figures.sessions, rows.series, rows.as_of) == (
        0,
        0,
        0,
        [],
        None,
    )


MUTATIONS: dict[str, tuple[ModuleType, str, str]] = {
    "half an hour that is one session": (exact, ">= PAUSE_US", "> PAUSE_US"),
    "a session without end": (exact, "lengths_us // LONGEST_US", "0 * lengths_us"),
    "sessions cut a moment late": (exact, "lengths_us // LONGEST_US", "(lengths_us - 1) // LONGEST_US"),
    "sessions of ids alone": (
        exact,
        "_count_inferred(actors, times, np.flatnonzero(sessions.codes == MISSING))",
        "0, 0",
    ),
    "sessions of all actors together": (exact, "(actors[1:] != actors[:-1]) | ", ""),
    "sessions of each part": (exact, "starts = starts_of_runs(hashes[order])", "starts = np.arange(len(order))"),
    "the length of a session in one part": (exact, "np.maximum.reduceat(lasts, starts)", "lasts[starts]"),
    "an end that is in range": (exact, "times < microseconds(question.end)", "times <= microseconds(question.end)"),
    "a range that begins late": (
        exact,
        "times >= microseconds(question.previous_start)",
        "times > microseconds(question.previous_start)",
    ),
    "a start that is before the range": (
        exact,
        "times >= microseconds(question.start)",
        "times > microseconds(question.start)",
    ),
    "events as users": (exact, "len(starts_of_runs(actors))", "len(actors)"),
    "streams of each part": (
        exact,
        "len(np.unique(np.concatenate([part.streams for part in parts])))",
        "sum(len(part.streams) for part in parts)",
    ),
    "the lower median": (exact, "[(total - 1) // 2, total // 2]", "[(total - 1) // 2, (total - 1) // 2]"),
    "a median of distinct durations": (exact, "ends = np.cumsum(views[order])", "ends = np.cumsum(views[order] > 0)"),
    "a period that starts a moment late": (
        exact,
        'np.searchsorted(starts, times, "right") - 1',
        'np.searchsorted(starts, times, "left") - 1',
    ),
    "newcomers without those without ids": (
        figures,
        "distinct.known_new_users + anonymous",
        "distinct.known_new_users",
    ),
    "the totals of one range": (figures, "old_counts.get(name, 0)", "counts.get(name, 0)"),
    "platforms by name": (figures, "(-item[1], item[0])", "item[0]"),
    "no empty platform": (counting, '*platforms.distinct.to_pylist(), ""', '*platforms.distinct.to_pylist(), "web"'),
    "anonymous events that gave a session": (columns, '("user_id", "session_id")', '("user_id",)'),
    "cents that are lost": (figures, "bare(amount)", "amount.quantize(Decimal('0.1'))"),
    "orders of one amount": (counting, '"orders", names[code], orders', '"orders", names[code], 1'),
    "durations to the microsecond": (
        counting,
        "(micros / MICRO == seconds)",
        "(micros >= 0)",
    ),
    "views without a duration as short ones": (
        columns,
        "rows = np.flatnonzero(column.is_valid().to_numpy())",
        "rows = np.arange(len(column) - column.null_count)",
    ),
    "the newest of both ranges": (counting, "np.maximum.at(newest", "np.minimum.at(newest"),
    "the fewest viewers": (counting, "np.maximum.at(most", "np.minimum.at(most"),
    "purchases without a path": (
        counting,
        "rows = np.flatnonzero(paths.codes != MISSING)",
        "rows = np.flatnonzero(paths.codes != len(path_names))",
    ),
    "paths of one currency": (figures, "orders[path] += count", "orders[path] = count"),
    "content of one kind": (counting, "(kind_texts[one], name_texts[other])", "(kind_texts[0], name_texts[other])"),
}
"""What each change does: the module, the text, and what stands in its place."""


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_the_oracle_sees_a_change_of_the_kernel(
    asked: Histories, mutation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The histories are sharp enough to tell any of them."""
    kernel = mutate(*MUTATIONS[mutation], monkeypatch)
    for question in questions():
        try:
            if count_exactly(asked, question, kernel) != expected_of(asked, question):
                return
        except (ArithmeticError, LookupError, TypeError, ValueError, pa.ArrowException):
            return
    pytest.fail("no question's answer changed")


def mutate(module: ModuleType, old: str, new: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Load a changed copy of a module, let the kernel use it, and return the kernel."""
    source = inspect.getsource(module)
    assert source.count(old) >= 1
    changed = ModuleType(module.__name__)
    monkeypatch.setitem(sys.modules, module.__name__, changed)
    exec(compile(source.replace(old, new), str(module.__file__), "exec"), changed.__dict__)  # noqa: S102 - our own text
    if module is exact:
        return changed
    for user in (exact, counting, figures, summarise):
        for name, value in vars(changed).items():
            if getattr(vars(user).get(name), "__module__", None) == module.__name__ and callable(value):
                monkeypatch.setattr(user, name, value)
    return exact
