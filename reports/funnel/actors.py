"""The actors of a funnel, page by page."""

import asyncio
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reports.funnel.attempts import StepFacts
from reports.funnel.question import ActorRow, ActorRows, FunnelQuestion
from reports.funnel.rows import find_attempts, group_actors, newest_receipt
from reports.moments import latest, to_datetime
from storage.segments.schema import EVENT_ID_BYTES
from storage.segments.snapshot import EventSnapshot
from storage.segments.tables import fixed_bytes

ACTOR_COLUMNS = ("actor_id", "user_id", "session_id", "event_id")
"""The first of them that is not null is the plain id of an event's actor."""
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
_UUID_DASHES = (8, 13, 18, 23)
_UUID_LENGTH = 36


@dataclass(frozen=True, slots=True)
class ActorChoice:
    """Which actors of a funnel a page lists.

    Attributes:
        least: steps that they took at least, from 1.
        most: steps that they took at most.
        after: the last actor of the page before; None on the first page.
        limit: how many at most.
    """

    least: int
    most: int
    after: str | None
    limit: int


async def read_funnel_actors(snapshot: EventSnapshot, question: FunnelQuestion, choice: ActorChoice) -> ActorRows:
    """Read a page of actors, ordered by id.

    Args:
        snapshot: what to read from.
        question: the funnel.
        choice: which actors.
    """
    page = ActorRows((), None)
    async for table in snapshot.by_actor(question.scope(snapshot.known, ACTOR_COLUMNS)):
        part = await asyncio.to_thread(list_actors, table, question, choice)
        page = add_pages(page, part, choice.limit)
    return page


def list_actors(table: pa.Table, question: FunnelQuestion, choice: ActorChoice) -> ActorRows:
    """List the first of the actors of a table, which is as `funnel_rows.make_part` wants it."""
    facts = StepFacts.of(table, question)
    attempts = find_attempts(facts, question)
    group, values = group_actors(table, facts, attempts, question)
    wanted = np.flatnonzero((attempts.reached >= choice.least) & (attempts.reached <= choice.most))
    ids = actor_ids(table, attempts.rows[wanted])
    if choice.after is not None:
        is_later = pc.greater(ids, choice.after)
        ids, wanted = ids.filter(is_later), wanted[is_later.to_numpy(zero_copy_only=False)]
    first = pc.select_k_unstable(ids, choice.limit, [("", "ascending")])
    actors = [
        ActorRow(
            actor_id=actor_id,
            value=values[group[number]],
            step_times=tuple(to_datetime(int(taken[number])) for taken in attempts.times[: attempts.reached[number]]),
        )
        for actor_id, number in zip(ids.take(first).to_pylist(), wanted[first.to_numpy()].tolist(), strict=True)
    ]
    as_of = newest_receipt(table, question)
    return ActorRows(actors, None if as_of is None else to_datetime(as_of))


def add_pages(one: ActorRows, other: ActorRows, limit: int) -> ActorRows:
    """Make one page of two."""
    actors = sorted([*one.actors, *other.actors], key=attrgetter("actor_id"))[:limit]
    return ActorRows(actors, latest(one.as_of, other.as_of))


def actor_ids(table: pa.Table, rows: "np.ndarray[Any, np.dtype[np.int64]]") -> pa.StringArray:
    """Read the plain ids of the actors of some rows."""
    chosen = table.select([name for name in ACTOR_COLUMNS if name in table.column_names]).take(pa.array(rows))
    named = [chosen[name].cast(pa.string()).combine_chunks() for name in chosen.column_names[:-1]]
    ids: pa.StringArray = pc.coalesce(*named, _write_ids(fixed_bytes(chosen["event_id"])))
    return ids


def _write_ids(ids: bytes) -> pa.StringArray:
    """Write UUIDs as text, all at once."""
    digits = np.frombuffer(ids, np.uint8).reshape(-1, EVENT_ID_BYTES)
    written = np.full((len(digits), _UUID_LENGTH), ord("-"), np.uint8)
    places = np.delete(np.arange(_UUID_LENGTH), _UUID_DASHES)
    written[:, places[0::2]] = _HEX[digits >> 4]
    written[:, places[1::2]] = _HEX[digits & 15]
    offsets = np.arange(0, written.size + 1, _UUID_LENGTH, dtype=np.int32)
    return pa.StringArray.from_buffers(len(digits), pa.py_buffer(offsets), pa.py_buffer(written))
