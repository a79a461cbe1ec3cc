"""New pseudonyms for all stored events, where the key of the old ones was lost or is no longer trusted."""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from storage.blocks.codec import BlockError
from storage.blocks.pseudonyms import Pseudonyms
from storage.postgres.database import Database
from storage.postgres.errors import translated
from storage.segments.catalogue import ChangeOutcome, Segment, SegmentChange
from storage.segments.files import SegmentFile, SegmentReader, write_segment
from storage.segments.store import SegmentStore
from storage.segments.tables import sort
from storage.segments.upkeep import SegmentUpkeep


@dataclass(frozen=True, slots=True)
class Rekeyed:
    """What was done.

    Attributes:
        segments: how many were rewritten; those that had the new pseudonyms before are not.
        rows: their events.
    """

    segments: int
    rows: int


async def rekey(database: Database, store: SegmentStore, pseudonyms: Pseudonyms) -> Rekeyed:
    """Make the pseudonyms of all stored events anew, with every service of the database stopped.

    Until it is done, the database belongs to no key, so no service starts. Where it was killed, the next call goes on.

    Args:
        database: a migrated one.
        store: its segments, all of them copied into `analytics_events` or not wanted there.
        pseudonyms: of the new key.

    Raises:
        BlockError, SegmentError: something cannot be read; it is named, and all before it is done.
        StorageUnavailableError: the database is away.
    """
    await _note_key(database, pseudonyms, is_done=False)
    await SegmentUpkeep(store).seal_all()
    left = await store.catalogue.list_blocks()
    if left:
        raise BlockError(f"block {left[0].id} cannot be sealed: restore it from a backup, or delete it")
    segments = rows = 0
    for segment in await store.catalogue.list_segments():
        if await _rewrite(store, segment, pseudonyms.of):
            segments += 1
            rows += segment.rows
    await _note_key(database, pseudonyms, is_done=True)
    return Rekeyed(segments, rows)


async def _note_key(database: Database, pseudonyms: Pseudonyms, *, is_done: bool) -> None:
    connection = await database.connect_writer()
    try:
        with translated():
            await pseudonyms.take_over(connection, is_done=is_done)
    finally:
        connection.terminate()


async def _rewrite(store: SegmentStore, segment: Segment, hash_actor: Callable[[str], int]) -> bool:
    """Rewrite a segment, and tell whether it had other pseudonyms before."""
    footers = await store.catalogue.read_footers([segment.id])
    reader = SegmentReader(*footers[segment.id], segment.id)
    parts = await store.parts.fetch(segment, reader.ranges())
    table = await asyncio.to_thread(reader.read, parts)
    file = await asyncio.to_thread(_rehash, table, hash_actor)
    if file is None:
        return False
    written = await store.catalogue.write(
        file,
        segment.level,
        is_summarised=segment.is_summarised,
        copied_rows=file.rows if segment.is_copied else 0,
    )
    change = SegmentChange(replaced=[segment], published=[written])
    return await store.catalogue.change(change) is ChangeOutcome.DONE


def _rehash(table: pa.Table, hash_actor: Callable[[str], int]) -> SegmentFile | None:
    """Write a segment with new pseudonyms; None where they are what they should be."""
    names = set(table.column_names)
    columns = [table[name].to_pylist() for name in ("actor_id", "user_id", "session_id") if name in names]
    ids = table["event_id"].to_pylist()
    actors = (
        next((text for text in own if text), None) or str(uuid.UUID(bytes=event_id))
        for event_id, *own in zip(ids, *columns, strict=True)
    )
    hashes = pa.array(np.fromiter(map(hash_actor, actors), np.int64, len(ids)))
    if hashes.equals(table["actor_hash"].combine_chunks()):
        return None
    return write_segment(sort(table.set_column(table.column_names.index("actor_hash"), "actor_hash", hashes)))
