"""The rows of a funnel: parts of whole actors, added up."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reports.funnel.any_order import attempts_in_any_order
from reports.funnel.attempts import Attempts, Counts, StepFacts, attempts_in_order
from reports.funnel.question import FunnelQuestion, FunnelRow, FunnelRows, StepOrder, StepRow
from reports.moments import Integers, to_datetime
from reports.patterns.matching import texts_of
from reports.runs import Flags, starts_run
from storage.segments.snapshot import EventSnapshot
from storage.segments.tables import integers

Groups = np.ndarray[Any, np.dtype[np.int32]]
SECOND = 1e6
"""In microseconds."""


@dataclass(frozen=True, slots=True, eq=False)
class FunnelPart:
    """What some whole actors add to a funnel; arrays hold a value for each actor that entered.

    Attributes:
        reached: how many steps it took.
        is_open: whether it may still take more.
        group: the number of its group in `values`.
        values: of the breakdown's field, each once; empty where an actor has none.
        waits: for each step after the first, the microseconds since the step before, of the actors that took it.
        as_of: the newest receipt among the events that may count, in microseconds since 1970; None without such events.
    """

    reached: Counts
    is_open: Flags
    group: Groups
    values: Sequence[str]
    waits: Sequence[Integers]
    as_of: int | None


async def read_funnel(snapshot: EventSnapshot, question: FunnelQuestion, *, most_groups: int) -> FunnelRows:
    """Read how many actors take each step.

    Args:
        snapshot: what to read from.
        question: the funnel.
        most_groups: how many groups to list; the others are one group together.
    """
    tables = snapshot.by_actor(question.scope(snapshot.known))
    parts = [await asyncio.to_thread(make_part, table, question) async for table in tables]
    return await asyncio.to_thread(lambda: make_rows(add_parts(parts, question), question, most_groups=most_groups))


def make_part(table: pa.Table, question: FunnelQuestion) -> FunnelPart:
    """Count the actors of a table.

    Args:
        table: all events of its actors from the start of the range until a window after its end, sorted by actor_hash,
            timestamp, sequence and event_id.
        question: the funnel.
    """
    facts = StepFacts.of(table, question)
    attempts = find_attempts(facts, question)
    group, values = group_actors(table, facts, attempts, question)
    waits = []
    for step in range(1, len(question.steps)):
        took = attempts.reached > step
        waits.append(attempts.times[step][took] - attempts.times[step - 1][took])
    is_open = attempts.is_open & (attempts.reached < len(question.steps))
    return FunnelPart(attempts.reached, is_open, group, values, waits, newest_receipt(table, question))


def find_attempts(facts: StepFacts, question: FunnelQuestion) -> Attempts:
    """Find the attempt of each actor that counts."""
    find = attempts_in_any_order if question.order is StepOrder.ANY else attempts_in_order
    return find(facts, question)


def newest_receipt(table: pa.Table, question: FunnelQuestion) -> int | None:
    """Find the newest receipt among the events that may count, in microseconds since 1970; None without such events."""
    received, types = integers(table, "received_at"), question.event_types
    if types is not None:
        column = table["event_type"].unify_dictionaries().combine_chunks()
        counts = pc.is_in(column.dictionary, pa.array(types, pa.string())).to_numpy(zero_copy_only=False)
        received = received[counts[column.indices.to_numpy()]]
    return int(received.max()) if len(received) else None


def add_parts(parts: Sequence[FunnelPart], question: FunnelQuestion) -> FunnelPart:
    """Add up parts of different actors."""
    numbers: dict[str, int] = {}
    groups = []
    for part in parts:
        mapped = [numbers.setdefault(value, len(numbers)) for value in part.values]
        groups.append(np.array(mapped, np.int32)[part.group])
    return FunnelPart(
        reached=_join([part.reached for part in parts], np.int8),
        is_open=_join([part.is_open for part in parts], np.bool_),
        group=_join(groups, np.int32),
        values=list(numbers),
        waits=[_join([part.waits[step] for part in parts], np.int64) for step in range(len(question.steps) - 1)],
        as_of=max((part.as_of for part in parts if part.as_of is not None), default=None),
    )


def make_rows(part: FunnelPart, question: FunnelQuestion, *, most_groups: int) -> FunnelRows:
    """Make the rows of all parts together."""
    everyone = np.ones(len(part.reached), bool)
    total = _make_row(part, everyone, "")
    groups = []
    if question.breakdown is not None:
        sizes = np.bincount(part.group, minlength=len(part.values)).tolist()
        order = sorted(range(len(sizes)), key=lambda number: (-sizes[number], part.values[number]))
        groups = [_make_row(part, part.group == number, part.values[number]) for number in order[:most_groups]]
        if others := order[most_groups:]:
            is_other = np.zeros(len(sizes), bool)
            is_other[others] = True
            groups.append(_make_row(part, is_other[part.group], None))
    return FunnelRows(total, groups, None if part.as_of is None else to_datetime(part.as_of))


def _make_row(part: FunnelPart, members: Flags, value: str | None) -> FunnelRow:
    steps = [StepRow(int(np.count_nonzero(members)))]
    for step, waits in enumerate(part.waits, 1):
        seconds = waits[members[part.reached > step]] / SECOND
        if len(seconds):
            median, p90 = np.quantile(seconds, (0.5, 0.9))
            steps.append(StepRow(len(seconds), float(seconds.mean()), float(median), float(p90)))
        else:
            steps.append(StepRow(0))
    return FunnelRow(value, int(np.count_nonzero(part.is_open & members)), tuple(steps))


def group_actors(
    table: pa.Table, facts: StepFacts, attempts: Attempts, question: FunnelQuestion
) -> tuple[Groups, Sequence[str]]:
    """Tell the group of each actor, and the groups: the first value that is not empty among the events of its steps."""
    found = np.full(len(attempts.rows), -1, np.int32)
    if question.breakdown is None:
        return found + 1, [""]
    texts = texts_of(table, question.breakdown)
    named = np.append(pc.not_equal(texts.dictionary, "").to_numpy(zero_copy_only=False), False)
    codes = texts.indices.fill_null(-1).to_numpy()
    rows = np.flatnonzero(named[codes] & np.logical_or.reduce(facts.steps))
    rows = rows[starts_run(facts.actor[rows])]
    # Both are in the order of actors, and some of either are not among the others.
    actors, entered = facts.actor[rows], facts.actor[attempts.rows]
    _, first, second = np.intersect1d(actors, entered, assume_unique=True, return_indices=True)
    found[second] = codes[rows[first]]
    used, group = np.unique(found, return_inverse=True)
    values = [texts.dictionary[code].as_py() if code >= 0 else "" for code in used.tolist()]
    return group.astype(np.int32), values


def _join(arrays: Sequence[np.ndarray[Any, Any]], dtype: type[np.generic]) -> np.ndarray[Any, Any]:
    return np.concatenate(arrays) if arrays else np.zeros(0, dtype)
