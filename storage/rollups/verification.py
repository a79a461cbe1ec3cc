"""Verification: recomputes rollups from what they are made of, and tells where they differ."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from storage.postgres.database import Connection, Database
from storage.rollups.first_sights import find_wrong_hours
from storage.rollups.folding import exclusive_rollups, read_open_days, whole_days
from storage.rollups.periods import DAY, Timeframe, hours_between
from storage.rollups.raw.raw_events import read_events
from storage.rollups.totals import Total, Totals, TotalsSource, sources_of, sum_rollups
from storage.sql import statement

NOTHING = Total(0, "{}")
Pending = Mapping[tuple[datetime, str], int]
"""Unfolded events by hour and type."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A rollup that is not what it should be; `event_type` is empty where a sketch differs, or first sights do."""

    timeframe: Timeframe
    time: datetime
    event_type: str
    stored: str
    expected: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What was compared: rollups of [start, end), and how many events are in its raw rows."""

    start: datetime
    end: datetime
    rollups: int
    events: int
    differences: list[Difference]


async def verify(database: Database, start: datetime, end: datetime) -> Verification:
    """Compare live rollups and first sights of the days that [start, end) touches with what they are made of.

    Of an hour with unfolded deltas only the count is compared, deltas included. Frozen rollups have outlived what they
    were made of, and are taken as they are. First sights are compared with raw events, hour by hour: none may be later
    than they tell, or from an event that is not there.

    Raises:
        LeaseTakenError: another process has been changing rollups for a minute.
        StorageUnavailableError: the database is away.
    """
    first, last = whole_days(start, end)
    differences: list[Difference] = []
    rollups = events = 0
    # The lease keeps partitions from being closed, and so dropped, meanwhile.
    async with (
        exclusive_rollups(database) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        days = await read_open_days(connection, first, last)
        for day in days:
            hours = hours_between(day, day + DAY)
            expected = await read_events(connection, hours)
            stored = await _read_live(connection, Timeframe.HOUR, hours)
            pending = await _read_pending(connection, day)
            differences += _compare(Timeframe.HOUR, stored, expected, pending)
            differences += await _compare_sights(connection, hours, pending)
            rollups += len(stored.rows)
            events += sum(total.count for total in expected.rows.values())
        for timeframe in (Timeframe.DAY, Timeframe.WEEK, Timeframe.MONTH):
            periods = timeframe.periods_of(days)
            expected = await sum_rollups(connection, sources_of(timeframe, periods))
            stored = await _read_live(connection, timeframe, periods)
            differences += _compare(timeframe, stored, expected, {})
            rollups += len(stored.rows)
    return Verification(first, last, rollups, events, differences)


async def _read_pending(connection: Connection, day: datetime) -> Pending:
    rows = await connection.fetch(statement("rollup/count_deltas"), day, day + DAY)
    return {(row["time"], row["event_type"]): row["count"] for row in rows}


async def _read_live(connection: Connection, timeframe: Timeframe, periods: list[datetime]) -> Totals:
    return await sum_rollups(
        connection,
        [TotalsSource(period, timeframe, period, timeframe.end_of(period), frozen=False) for period in periods],
    )


async def _compare_sights(connection: Connection, hours: list[datetime], pending: Pending) -> list[Difference]:
    return [
        Difference(
            Timeframe.HOUR,
            found.hour,
            "",
            f"{found.counted} new actors, first sights of {found.wrong} wrong",
            f"{found.sights} new actors, none wrong",
        )
        for found in await find_wrong_hours(connection, hours, {time for time, _ in pending})
    ]


def _compare(timeframe: Timeframe, stored: Totals, expected: Totals, pending: Pending) -> Iterator[Difference]:
    unfolded = {time for time, _ in pending}
    for key in sorted(stored.rows.keys() | expected.rows.keys() | pending.keys()):
        time, event_type = key
        found, due = stored.rows.get(key, NOTHING), expected.rows.get(key, NOTHING)
        if time in unfolded:
            found, due = Total(found.count + pending.get(key, 0), ""), Total(due.count, "")
        if found != due:
            yield Difference(timeframe, time, event_type, _describe(found), _describe(due))
    for time in sorted((stored.sketches.keys() | expected.sketches.keys()) - unfolded):
        if stored.sketches.get(time) != expected.sketches.get(time):
            yield Difference(timeframe, time, "", "a sketch", "another sketch")
    for time in sorted((stored.samples.keys() | expected.samples.keys()) - unfolded):
        if stored.samples.get(time) != expected.samples.get(time):
            yield Difference(timeframe, time, "", "a sample of sessions", "another sample")
    for time, ranking in sorted(stored.rankings.keys() | expected.rankings.keys()):
        same = stored.rankings.get((time, ranking)) == expected.rankings.get((time, ranking))
        if not same and time not in unfolded:
            yield Difference(timeframe, time, "", f"a ranking of {ranking}", "another ranking")


def _describe(total: Total) -> str:
    return f"{total.count} {total.metadata}".rstrip()
