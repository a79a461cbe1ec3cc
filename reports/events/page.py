"""The event list: stored events, newest first, page by page.

Segments are sorted by actor, so that the newest events lie anywhere in them. A page is read in two passes. The first
one reads times, and what the filter needs, and finds the rows that the page may hold: where the filter names a user,
among that user's rows. The second one reads what else is shown of these rows: the columns of their types of events. A
segment whose newest event is older than the page's last is not looked at.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reports.patterns.matching import Flags, columns_of, matches
from reports.patterns.predicates import Condition, EventPattern, FieldPath, Operator, ValueKind
from storage.segments.catalogue import Segment
from storage.segments.schema import DEVICE, ENVELOPE, EventColumns
from storage.segments.scopes import EventScope, at_once, microseconds
from storage.segments.snapshot import EventSnapshot
from storage.segments.tables import concatenate, fixed_bytes, integers, rows_of_table, take_rows
from storage.write.batch import COLUMNS

ANY_EVENT = EventPattern()
_Integers = np.ndarray[Any, np.dtype[np.int64]]
_Numbers = np.ndarray[Any, np.dtype[np.uint64]]
_Load = Callable[["_Candidates"], Awaitable[pa.Table]]
"""Reads all that is shown of some rows."""
_UNSHOWN = ("actor_hash", "ip_address")


@dataclass(frozen=True, slots=True)
class EventCursor:
    """The last event of a page."""

    timestamp: datetime
    sequence: int
    event_id: str


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events to list; None matches any."""

    event_type: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    pattern: EventPattern = ANY_EVENT

    def as_pattern(self) -> EventPattern | None:
        """Say all of it as one pattern; None where it asks for two types at once."""
        if None not in (self.event_type, self.pattern.event_type) and self.event_type != self.pattern.event_type:
            return None
        own = (("user_id", self.user_id), ("session_id", self.session_id))
        conditions = [
            Condition(FieldPath(column, (), ValueKind.TEXT), Operator.EQUAL, (value,))
            for column, value in own
            if value is not None
        ]
        return EventPattern(self.event_type or self.pattern.event_type, (*conditions, *self.pattern.conditions))


@dataclass(frozen=True, slots=True)
class EventRecord:
    """A stored event; `device` and `event_data` are JSON text in camelCase, times are UTC."""

    event_id: str
    event_type: str
    schema_version: str
    timestamp: datetime
    received_at: datetime
    timestamp_source: str | None
    sequence: int
    user_id: str | None
    session_id: str | None
    platform: str | None
    user_agent: str | None
    device: str | None
    event_data: str


@dataclass(frozen=True, slots=True)
class PageQuestion:
    """Which page to list.

    Attributes:
        start: the first moment, aware.
        end: the first moment after the range, aware.
        only: which events of the range.
        after: the last event of the page before; None for the first page.
        limit: how many events at most.
    """

    start: datetime
    end: datetime
    only: EventFilter
    after: EventCursor | None
    limit: int


_PLACES = [COLUMNS.index(field.name) for field in fields(EventRecord)]


async def read_newest(
    snapshot: EventSnapshot, question: PageQuestion, hash_actor: Callable[[str], int]
) -> pa.Table | None:
    """Read the events of a page, newest first; None where there are none.

    Events of one microsecond come by sequence and id, highest first.

    Args:
        snapshot: what to read from.
        question: which page.
        hash_actor: makes the pseudonym of a user, whose events lie together.
    """
    only, pattern = question.only, question.only.as_pattern()
    if pattern is None or question.start >= question.end:
        return None
    actor = None if only.user_id is None else hash_actor(only.user_id)
    columns = ("timestamp", "event_type", *columns_of(pattern, snapshot.known))
    scope = EventScope(question.start, question.end, actor, actor, columns)
    page = _Page(question, pattern)
    for block_table in snapshot.block_tables:
        if page.may_hold(block_table.first_at, block_table.last_at):
            await asyncio.to_thread(page.look_at, block_table.table, None, _whole)
    for segment in sorted(filter(scope.holds, snapshot.segments), key=lambda segment: segment.last_at, reverse=True):
        await _look_at(page, snapshot, segment, scope)
    tables = await at_once(partial(load, found) for found, load in await asyncio.to_thread(page.chosen))
    return await asyncio.to_thread(page.join, tables) if tables else None


def records_of(table: pa.Table, known: EventColumns) -> list[EventRecord]:
    """Turn rows into records."""
    return [EventRecord(*(row[place] for place in _PLACES)) for row in rows_of_table(table, known)]


def place_of(table: pa.Table, cursor: EventCursor) -> int | None:
    """Find an event in a table; None where it is not there."""
    key = astuple(_Key.of(cursor))
    is_same = np.ones(len(table), bool)
    for values, wanted in zip(_keys(table), key, strict=True):
        is_same &= values == wanted
    places = np.flatnonzero(is_same)
    return int(places[0]) if len(places) else None


async def _look_at(page: "_Page", snapshot: EventSnapshot, segment: Segment, scope: EventScope) -> None:
    """Find the rows of a segment that a page may hold."""
    scan = snapshot.scan(segment, scope.columns)
    groups = [number for number in scan.groups(scope) if page.may_hold(*scan.times(number))]
    if scope.low_actor is None or scope.high_actor is None:
        async for number, table in scan.read_groups(groups):
            await asyncio.to_thread(page.look_at, table, None, partial(_read_rows, snapshot, segment, number))
        return
    rows = await scan.rows_of_actors(groups, scope.low_actor, scope.high_actor)
    async for number, table in scan.read_rows(rows):
        await asyncio.to_thread(page.look_at, table, rows[number], partial(_read_rows, snapshot, segment, number))


async def _whole(found: "_Candidates") -> pa.Table:
    return found.table


async def _read_rows(snapshot: EventSnapshot, segment: Segment, number: int, found: "_Candidates") -> pa.Table:
    """Read all that records of some rows of a row group show."""
    types = pc.unique(found.table["event_type"]).to_pylist()
    payloads = [column.name for name in (DEVICE, *types) for column in snapshot.known.structs.get(name, ())]
    shown = [*(name for name in ENVELOPE if name not in _UNSHOWN), *payloads]
    missing = [name for name in shown if name not in found.table.column_names]
    async for _, table in snapshot.scan(segment, missing).read_rows({number: found.places}):
        own = {name: table[name] for name in table.column_names}
        return pa.table({**{name: found.table[name] for name in found.table.column_names}, **own})
    raise AssertionError


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Some rows.

    Attributes:
        places: where they lie in what they are read from.
        table: of the rows, with those columns that were read to find them.
    """

    places: _Integers
    table: pa.Table

    @property
    def at_us(self) -> _Integers:
        """Their times in microseconds."""
        return integers(self.table, "timestamp")

    def filter(self, is_chosen: Flags) -> "_Candidates":
        """Keep some of them."""
        places = np.flatnonzero(is_chosen)
        return _Candidates(self.places[places], take_rows(self.table, places))


@dataclass(frozen=True, slots=True)
class _Key:
    """What events are ordered by."""

    at_us: int
    sequence: int
    id_high: int
    id_low: int

    @classmethod
    def of(cls, cursor: EventCursor) -> "_Key":
        number = UUID(cursor.event_id).int
        return cls(microseconds(cursor.timestamp), cursor.sequence, number >> 64, number & (2**64 - 1))


class _Page:
    """The rows that a page may hold, as far as they have been looked for."""

    def __init__(self, question: PageQuestion, pattern: EventPattern) -> None:
        self._pattern = pattern
        self._after = after = None if question.after is None else _Key.of(question.after)
        self._floor_us = microseconds(question.start)
        end_us = microseconds(question.end)
        self._end_us = end_us if after is None else min(end_us, after.at_us + 1)
        self._limit = question.limit
        self._newest_us: _Integers = np.empty(0, np.int64)
        self._found: list[tuple[_Candidates, _Load]] = []

    def may_hold(self, first_at: datetime, last_at: datetime) -> bool:
        """Tell whether events between two times, both included, can be on the page still."""
        return microseconds(first_at) < self._end_us and microseconds(last_at) >= self._floor_us

    def look_at(self, table: pa.Table, places: _Integers | None, load: "_Load") -> None:
        """Find the rows of a table that can be on the page still.

        Args:
            table: with the time, and what the filter needs.
            places: where the rows lie in what the table was read from; None where they are all of it.
            load: reads what else is shown of such rows.
        """
        at_us = integers(table, "timestamp")
        is_within = (at_us >= self._floor_us) & (at_us < self._end_us)
        if is_within.any():
            is_within &= matches(table, self._pattern)
        self._raise_floor(at_us[is_within])
        found = np.flatnonzero(is_within & (at_us >= self._floor_us))
        if len(found):
            self._found.append((_Candidates(found if places is None else places[found], take_rows(table, found)), load))

    def _raise_floor(self, at_us: _Integers) -> None:
        """Find the time below which nothing can be on the page, now that there are events at such times too."""
        # Those of the cursor's microsecond may be behind it or not: they cannot be counted yet.
        sure_us = at_us if self._after is None else at_us[at_us < self._after.at_us]
        newest_us = np.concatenate([self._newest_us, sure_us])
        if len(newest_us) >= self._limit:
            newest_us = np.partition(newest_us, len(newest_us) - self._limit)[len(newest_us) - self._limit :]
            self._floor_us = max(self._floor_us, int(newest_us.min()))
        self._newest_us = newest_us

    def chosen(self) -> list[tuple[_Candidates, "_Load"]]:
        """List the rows that can be on the page, now that all are known."""
        chosen = []
        for found, load in self._found:
            is_chosen = found.at_us >= self._floor_us
            if is_chosen.any():
                chosen.append((found.filter(is_chosen), load))
        return chosen

    def join(self, tables: Sequence[pa.Table]) -> pa.Table:
        """Join rows of tables into those of the page."""
        table = concatenate(tables)
        return table.take(pa.array(self._order(table)))

    def _order(self, table: pa.Table) -> _Integers:
        """Give the places of the rows behind the cursor, newest first, as many as the page holds."""
        at_us, sequence, id_high, id_low = keys = _keys(table)
        order = np.lexsort((~id_low, ~id_high, ~sequence, ~at_us))
        if self._after is not None:
            is_behind = np.zeros(len(order), bool)
            is_tied = np.ones(len(order), bool)
            for values, bound in zip(keys, astuple(self._after), strict=True):
                is_behind |= is_tied & (values < bound)
                is_tied &= values == bound
            order = order[is_behind[order]]
        return order[: self._limit]


def _keys(table: pa.Table) -> tuple[_Integers, _Integers, _Numbers, _Numbers]:
    """Read what events are ordered by, as `_Key` has it."""
    ids = np.frombuffer(fixed_bytes(table["event_id"]), ">u8").reshape(-1, 2).astype(np.uint64)
    return integers(table, "timestamp"), integers(table, "sequence"), ids[:, 0], ids[:, 1]
