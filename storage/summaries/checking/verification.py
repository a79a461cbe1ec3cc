"""Verification: recounts summaries from what they are made of, and tells where they differ."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from storage.postgres.database import Database, PooledConnection
from storage.segments.snapshot import EventReader
from storage.summaries.aggregations import Aggregation, Aggregations, aggregations_of, read_aggregations
from storage.summaries.checking.recount import TIMEOUT_S, Recounted, recount, split_range
from storage.summaries.horizon import Horizon, read_horizon, statement
from storage.summaries.parts import SummaryPart, list_parts, read_parts, sum_parts
from storage.summaries.periods import PART_OF, Period, Span, Timeframe
from storage.summaries.sights import NO_SIGHTS, FirstSights, Integers, look_up_actors, read_sights
from storage.summaries.summarise import HOUR_US
from storage.summaries.summary import Summary, add
from storage.write.hours import HOUR

READ_TIMEOUT_S = 30.0
NOTHING = Aggregation(0, {})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SummaryDifference:
    """Something that is not what it should be.

    Attributes:
        period: of which hour, day, week or month.
        what: an event type, or what else of the period.
        stored: what is stored.
        expected: what it should be.
    """

    period: Period
    what: str
    stored: str
    expected: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What was compared.

    Attributes:
        start, end: whole hours; None where no hour of the range has all of its events.
        summaries: how many.
        events: how many events are in them, by their hours.
        differences: where they are wrong, by time.
    """

    start: datetime | None
    end: datetime | None
    summaries: int
    events: int
    differences: Sequence[SummaryDifference]


@dataclass(slots=True)
class StoredPass:
    """What a snapshot has stored of a pass; read anew where the pass starts over."""

    horizon: Horizon | None = None
    parts: Sequence[SummaryPart] = ()
    aggregations: Aggregations = field(default_factory=dict)
    sights: FirstSights = NO_SIGHTS
    new_actors: Mapping[datetime, int] = field(default_factory=dict)

    async def read(self, connection: PooledConnection, span: Span) -> None:
        """Read all of it in a snapshot."""
        self.horizon = await read_horizon(connection)
        ranges = list(ranges_of(span))
        self.parts = await read_parts(connection, await list_parts(connection, ranges))
        self.aggregations = await read_aggregations(connection, ranges)
        self.sights = await read_sights(connection, *span)
        records = await connection.fetch(statement("list_new_actors"), *span)
        self.new_actors = {record["hour"]: record["count"] for record in records if record["count"]}

    def keeps(self, period: Period) -> bool:
        """Tell whether there is a summary of a period, if anything happened in it."""
        return self.horizon is not None and self.horizon.keeps(period)


async def verify(database: Database, reader: EventReader, start: datetime, end: datetime) -> Verification:
    """Compare the summaries of the days that a range touches with what they are made of.

    Hours are recounted from the events of segments. Days are compared with their hours, weeks and months with their
    days, as far as there are all of these. What lies before the horizon has outlived what it was made of, and is taken
    as it is. Counts, measures, sketches and samples have to be the same; contents and paths may not contradict each
    other, since their lists are cut. First sights may neither be later than events tell nor from one that is not there.

    Raises:
        SegmentError, SummaryError: something cannot be read; it is named.
        StorageUnavailableError: the database is away.
    """
    async with database.acquire_reader(READ_TIMEOUT_S) as connection:
        horizon = await read_horizon(connection)
    spans = list(split_range(start, end, horizon))
    if not spans:
        return Verification(None, None, 0, 0, [])
    found = [await _verify_pass(database, reader, span) for span in spans]
    return Verification(
        spans[0].start,
        spans[-1].end,
        sum(one.summaries for one in found),
        sum(one.events for one in found),
        sorted((difference for one in found for difference in one.differences), key=_place_of),
    )


def _place_of(difference: SummaryDifference) -> tuple[datetime, str, str]:
    return difference.period.start, difference.period.timeframe.value, difference.what


async def _verify_pass(database: Database, reader: EventReader, span: Span) -> Verification:
    stored = StoredPass()

    async def read(connection: PooledConnection) -> None:
        await stored.read(connection, span)

    recounted = await reader.ask(lambda snapshot: recount(snapshot, span), TIMEOUT_S, also=read)
    sums = await asyncio.to_thread(sum_parts, stored.parts)
    differences = await asyncio.to_thread(lambda: list(_compare(span, stored, sums, recounted)))
    differences += await _compare_sights(database, stored, recounted)
    events = sum(summary.events for summary in recounted.hours.values())
    return Verification(*span, len(sums), events, differences)


def ranges_of(span: Span) -> Iterator[tuple[Timeframe, datetime, datetime]]:
    """Name what a pass compares and what that is made of: the days of its weeks and months, the hours of its days."""
    weeks_and_months = [_cover(timeframe, span) for timeframe in (Timeframe.WEEK, Timeframe.MONTH)]
    yield (Timeframe.WEEK, *weeks_and_months[0])
    yield (Timeframe.MONTH, *weeks_and_months[1])
    yield (
        Timeframe.DAY,
        min(one.start for one in weeks_and_months),
        max(one.end for one in weeks_and_months),
    )
    yield (Timeframe.HOUR, *_cover(Timeframe.DAY, span))


def _cover(timeframe: Timeframe, span: Span) -> Span:
    """Widen a span to whole periods."""
    last = timeframe.start_of(span.end)
    return Span(timeframe.start_of(span.start), last if last == span.end else timeframe.end_of(last))


def _compare(
    span: Span, stored: StoredPass, sums: Mapping[Period, Summary], recounted: Recounted
) -> Iterator[SummaryDifference]:
    for hour in _periods_within(sums, Timeframe.HOUR, span) | recounted.hours.keys():
        period = Period(Timeframe.HOUR, hour)
        yield from compare_summaries(period, sums.get(period, Summary()), recounted.hours.get(hour, Summary()))
    for timeframe, part_of in PART_OF.items():
        parts: dict[datetime, list[Summary]] = {}
        for period, summary in sums.items():
            if period.timeframe is part_of:
                parts.setdefault(timeframe.start_of(period.start), []).append(summary)
        wanted = _cover(timeframe, span)
        for start in _periods_within(sums, timeframe, wanted) | {at for at in parts if wanted.start <= at < wanted.end}:
            period = Period(timeframe, start)
            if stored.keeps(Period(part_of, start)):
                yield from compare_summaries(period, sums.get(period, Summary()), add(parts.get(start, [])))
    yield from _compare_tables(span, stored.aggregations, aggregations_of(sums))


def _periods_within(sums: Mapping[Period, Summary], timeframe: Timeframe, span: Span) -> set[datetime]:
    return {period.start for period in sums if period.timeframe is timeframe and span.start <= period.start < span.end}


def compare_summaries(period: Period, stored: Summary, expected: Summary) -> Iterator[SummaryDifference]:
    """Tell where a summary is not what it should be."""
    mine, theirs = aggregations_of({period: stored}), aggregations_of({period: expected})
    for key in sorted(mine.keys() | theirs.keys()):
        found, due = mine.get(key, NOTHING), theirs.get(key, NOTHING)
        all_measures = [some.measures.get(key.event_type, {}) for some in (stored, expected)]
        if found.events != due.events or all_measures[0] != all_measures[1]:
            yield SummaryDifference(period, key.event_type, _describe(found), _describe(due))
    for what, is_same in (
        ("sketch of actors", stored.actors == expected.actors),
        ("sketch of streams", stored.streams == expected.streams),
        ("sample of sessions", stored.sample == expected.sample),
        ("ranking of content", stored.content.agrees_with(expected.content)),
        ("ranking of paths", stored.paths.agrees_with(expected.paths)),
    ):
        if not is_same:
            yield SummaryDifference(period, what, "another", "as its parts tell")


def _compare_tables(span: Span, stored: Aggregations, expected: Aggregations) -> Iterator[SummaryDifference]:
    """Compare `analytics_aggregations` with the stored summaries, which were compared with the truth."""
    for key in stored.keys() | expected.keys():
        if not span.start < key.period.end or not key.period.start < span.end:
            continue
        found, due = stored.get(key, NOTHING), expected.get(key, NOTHING)
        if found != due:
            what = f"{key.event_type} in analytics_aggregations"
            yield SummaryDifference(key.period, what, _describe(found), _describe(due))


async def _compare_sights(database: Database, stored: StoredPass, recounted: Recounted) -> list[SummaryDifference]:
    """Compare first sights hour by hour: how many of them are wrong, and how many are counted."""
    # First sights only ever move to earlier times: what is looked up later is no worse than what the snapshot had.
    async with database.acquire_reader(READ_TIMEOUT_S) as connection:
        known = await look_up_actors(connection, recounted.sights.actors)
    wrong = await asyncio.to_thread(_count_wrong, stored.sights, recounted.sights, known)
    sights = await asyncio.to_thread(_count_hours, stored.sights.firsts)
    counted = stored.new_actors
    return [
        SummaryDifference(
            Period(Timeframe.HOUR, hour),
            "first sights",
            f"{counted.get(hour, 0)} counted, {wrong[hour]} wrong or missing",
            f"{sights[hour]} counted, none wrong",
        )
        for hour in {*wrong, *counted, *sights}
        if wrong[hour] or counted.get(hour, 0) != sights[hour]
    ]


def _count_wrong(stored: FirstSights, recounted: FirstSights, known: Integers) -> Counter[datetime]:
    """Count by hour the first sights that are missing, later than events tell, or from an event that is not there."""
    is_late = known > recounted.firsts
    return _count_hours(recounted.firsts[is_late]) + _count_hours(find_unfounded(stored, recounted).firsts)


def find_unfounded(stored: FirstSights, recounted: FirstSights) -> FirstSights:
    """Find the first sights of a range that are from an event that is not there."""
    places = np.searchsorted(recounted.actors, stored.actors)
    places[places == len(recounted.actors)] = 0
    if not len(recounted.actors):
        return stored
    is_unfounded = (recounted.actors[places] != stored.actors) | (recounted.firsts[places] > stored.firsts)
    return FirstSights(stored.actors[is_unfounded], stored.firsts[is_unfounded])


def _count_hours(firsts: Integers) -> Counter[datetime]:
    hours, counts = np.unique(firsts // HOUR_US, return_counts=True)
    return Counter({_EPOCH + hour * HOUR: count for hour, count in zip(hours.tolist(), counts.tolist(), strict=True)})


def _describe(found: Aggregation) -> str:
    return f"{found.events} {found.measures}" if found.measures else str(found.events)
