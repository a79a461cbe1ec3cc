"""Blocks as tables: each is decoded once in a process, and remembered until it is sealed."""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.blocks.codec import Block, decode_columns
from storage.segments.schema import TEXT, EventColumns
from storage.segments.tables import compact, concatenate, sort, table_of_blocks

MOST_REMEMBERED_ROWS = 500_000
"""As many as one sealing takes, some 100 MB. Where more wait, the rest is decoded again for each snapshot."""
MOST_TABLE_ROWS = 131_072
"""Small tables are joined up to this size: a report over thousands of blocks then reads few of them."""
DECODED_ROWS = 50_000
"""So many are Python objects at once while blocks are decoded, some 100 MB."""
BLOCK = "block"
"""The column that holds which block a row comes from, as a place in `BlockTable.ids`."""


@dataclass(frozen=True, slots=True)
class BlockTable:
    """The events of some blocks.

    Attributes:
        ids: of the blocks.
        table: of the events, sorted, with the column BLOCK.
        first_at, last_at: the times of the earliest and the latest event.
    """

    ids: tuple[UUID, ...]
    table: pa.Table
    first_at: datetime
    last_at: datetime

    def only(self, wanted: Collection[UUID]) -> "BlockTable | None":
        """Keep the events of the blocks that are wanted; None where there are none."""
        kept = [place for place, block_id in enumerate(self.ids) if block_id in wanted]
        if len(kept) == len(self.ids):
            return self
        if not kept:
            return None
        places = np.full(len(self.ids), -1, np.int32)
        places[kept] = np.arange(len(kept), dtype=np.int32)
        numbers = places[self.table[BLOCK].to_numpy()]
        table = _numbered(self.table, numbers).filter(pa.array(numbers >= 0)).combine_chunks()
        # Texts of blocks that were sealed would never be freed otherwise.
        columns = {
            name: compact(column.chunk(0)) if column.type == TEXT else column
            for name, column in zip(table.column_names, table.columns, strict=True)
        }
        return _block_table([self.ids[place] for place in kept], pa.table(columns))


class BlockMemory:
    """Remembers the tables of blocks from one snapshot to the next.

    Args of the constructor:
        known: the columns of the event catalogue.
    """

    def __init__(self, known: EventColumns) -> None:
        self._known = known
        self._lock = asyncio.Lock()
        self.tables: Sequence[BlockTable] = ()
        """What is remembered: never changed, but replaced by another list."""

    async def tables_of(
        self, blocks: Collection[UUID], held: Sequence[BlockTable], fresh: Mapping[UUID, Block]
    ) -> Sequence[BlockTable]:
        """Return tables that hold the events of these blocks and no others, and remember them.

        Args:
            blocks: ids of all blocks of a snapshot.
            held: what was remembered before the snapshot was taken.
            fresh: the blocks that are not in `held`.

        Raises:
            BlockError: a block cannot be read; it is named.
        """
        if not fresh and all(block_id in blocks for table in held for block_id in table.ids):
            return held
        async with self._lock:
            tables = await asyncio.to_thread(_assemble, blocks, [*held, *self.tables], fresh, self._known)
            self.tables = list(_bounded(tables))
        return tables


def _assemble(
    blocks: Collection[UUID], known: Sequence[BlockTable], fresh: Mapping[UUID, Block], columns: EventColumns
) -> list[BlockTable]:
    """Collect the tables of all blocks: from those that are known, else decoded."""
    missing = set(blocks)
    tables = []
    for table in known:
        part = table.only(missing)
        if part is not None:
            tables.append(part)
            missing.difference_update(part.ids)
    tables += [_decode(portion, columns) for portion in _portions({block_id: fresh[block_id] for block_id in missing})]
    return _join_small(tables)


def _portions(blocks: Mapping[UUID, Block]) -> Iterator[dict[UUID, Block]]:
    portion: dict[UUID, Block] = {}
    rows = 0
    for block_id, block in blocks.items():
        portion[block_id] = block
        rows += block.rows
        if rows >= DECODED_ROWS:
            yield portion
            portion, rows = {}, 0
    if portion:
        yield portion


def _decode(blocks: Mapping[UUID, Block], columns: EventColumns) -> BlockTable:
    table = table_of_blocks([decode_columns(block, block_id) for block_id, block in blocks.items()], columns)
    numbers = np.repeat(np.arange(len(blocks), dtype=np.int32), [block.rows for block in blocks.values()])
    return _block_table(list(blocks), sort(table.append_column(BLOCK, pa.array(numbers))))


def _join_small(tables: list[BlockTable]) -> list[BlockTable]:
    """Join tables of similar size, smallest first: a row is joined a few times, and few tables are left."""
    ordered = sorted(tables, key=lambda table: table.table.num_rows, reverse=True)
    while len(ordered) > 1:
        larger, smaller = ordered[-2:]
        rows = larger.table.num_rows + smaller.table.num_rows
        if rows > MOST_TABLE_ROWS or larger.table.num_rows > 2 * smaller.table.num_rows:
            break
        shifted = smaller.table[BLOCK].to_numpy() + np.int32(len(larger.ids))
        joined = sort(concatenate([larger.table, _numbered(smaller.table, shifted)]))
        ordered[-2:] = [_block_table([*larger.ids, *smaller.ids], joined)]
        ordered.sort(key=lambda table: table.table.num_rows, reverse=True)
    return ordered


def _bounded(tables: Sequence[BlockTable]) -> Iterator[BlockTable]:
    left = MOST_REMEMBERED_ROWS
    for table in tables:
        left -= table.table.num_rows
        if left >= 0:
            yield table


def _numbered(table: pa.Table, numbers: np.ndarray[tuple[int], np.dtype[np.int32]]) -> pa.Table:
    return table.set_column(table.column_names.index(BLOCK), BLOCK, pa.array(numbers))


def _block_table(ids: Sequence[UUID], table: pa.Table) -> BlockTable:
    times = pc.min_max(table["timestamp"]).as_py()
    return BlockTable(tuple(ids), table, times["min"], times["max"])
