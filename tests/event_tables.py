"""Tables of events for tests, made of rows the way that blocks are."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from events.catalogue import load_catalogue
from events.columns import columns_of
from storage.blocks.codec import decode_columns, encode
from storage.blocks.pseudonyms import Pseudonyms
from storage.segments.schema import EventColumns
from storage.segments.snapshot import EventScope
from storage.segments.tables import integers, sort, table_of_blocks

KNOWN = EventColumns.of(columns_of(load_catalogue()))
ACTORS = Pseudonyms(b"k" * 32, "a test")


def make_table(rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    """Make the sorted table of at least one row, whose columns stand in the order of `storage.write.batch.COLUMNS`."""
    return sort(table_of_blocks([decode_columns(encode(rows, ACTORS.of))], KNOWN))


class TableSnapshot:
    """Stands for an EventSnapshot: a sorted table of events, cut by actors into some ranges."""

    def __init__(self, table: pa.Table, ranges: int) -> None:
        self.known = KNOWN
        self._table = table
        self._ranges = ranges

    async def by_actor(self, scope: EventScope) -> AsyncIterator[pa.Table]:
        """Yield the events of a scope, those of an actor together."""
        for part in cut_by_actor(self._table, self._ranges):
            at = part["timestamp"]
            is_within = pc.and_(pc.greater_equal(at, pa.scalar(scope.start)), pc.less(at, pa.scalar(scope.end)))
            known = scope.columns if scope.columns is not None else part.column_names
            found = part.select([name for name in known if name in part.column_names]).filter(is_within)
            if len(found):
                yield found


def cut_by_actor(table: pa.Table, ranges: int) -> list[pa.Table]:
    """Cut a sorted table into tables that hold whole actors, about equally many rows each."""
    actor = integers(table, "actor_hash")
    wanted = np.linspace(0, len(table), ranges + 1).astype(int)[1:-1]
    cuts = [0, *np.searchsorted(actor, actor[wanted]).tolist(), len(table)]
    return [table.slice(low, high - low) for low, high in zip(cuts, cuts[1:], strict=False) if high > low]
