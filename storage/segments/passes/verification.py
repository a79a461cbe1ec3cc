"""Whether the bytes of all segments and blocks are those that were written."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from uuid import UUID

from storage.blocks.codec import BlockError, decode_columns
from storage.segments.catalogue import Segment
from storage.segments.errors import SegmentError, SegmentMissingError
from storage.segments.files import CHECKSUM_BYTES, Range, SegmentReader, footer_of
from storage.segments.store import SegmentStore

BLOCKS_AT_ONCE = 50
"""Some megabytes."""


@dataclass(frozen=True, slots=True)
class Damage:
    """Something that cannot be read.

    Attributes:
        kind: "segment" or "block".
        id: of it.
        rows: how many events it holds.
        problem: what is wrong with it.
    """

    kind: str
    id: UUID
    rows: int
    problem: str


async def verify_stored(store: SegmentStore) -> tuple[int, Sequence[Damage]]:
    """Read all segments and blocks from where they lie, past the cache; answer how many, and which are damaged.

    Raises:
        StorageUnavailableError: the database or the place is away.
    """
    checked = 0
    damaged: list[Damage] = []
    for segment in await store.catalogue.list_segments():
        try:
            problem = await _check_segment(store, segment)
        except SegmentMissingError:
            if segment.id not in {one.id for one in await store.catalogue.list_segments()}:
                continue  # it was replaced meanwhile
            problem = "its bytes are missing"
        checked += 1
        if problem:
            damaged.append(Damage("segment", segment.id, segment.rows, problem))
    waiting = await store.catalogue.list_blocks()
    for start in range(0, len(waiting), BLOCKS_AT_ONCE):
        blocks = await store.catalogue.read_blocks([one.id for one in waiting[start : start + BLOCKS_AT_ONCE]])
        checked += len(blocks)
        for block_id, block in blocks:
            try:
                await asyncio.to_thread(decode_columns, block, block_id)
            except BlockError as exc:
                damaged.append(Damage("block", block_id, block.rows, str(exc)))
    return checked, damaged


async def _check_segment(store: SegmentStore, segment: Segment) -> str:
    """Tell what is wrong with a segment; "" where nothing is."""
    footers = await store.catalogue.read_footers([segment.id])
    (data,) = await store.place.get(segment.place, [Range(0, segment.size_bytes, 0)])
    if len(data) != segment.size_bytes:
        return f"{len(data)} of its {segment.size_bytes} bytes are there"
    checksum = await asyncio.to_thread(lambda: blake2b(data, digest_size=CHECKSUM_BYTES).digest())
    if checksum != segment.checksum:
        return "its bytes are not those that were written"
    footer, sums = footers[segment.id]
    if footer != footer_of(data):
        return "its footer in the catalogue is not that of its file"
    try:
        SegmentReader(footer, sums, segment.id)
    except SegmentError as exc:
        return str(exc)
    return ""
