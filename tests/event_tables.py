"""Tables of events for tests, made of rows the way that blocks are."""

from collections.abc import AsyncIterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from events.catalogue import load_catalogue
from events.columns import columns_of
from storage.blocks.codec import decode_columns, encode
from storage.segments.schema import EventColumns
from storage.segments.scopes import EventScope
from storage.segments.snapshot import EventSnapshot
from storage.segments.tables import integers, sort, table_of_blocks
from tests.rows import ACTORS

KNOWN = EventColumns.of(columns_of(load_catalogue()))


def make_table(rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    """Make the sorted table of at least one row, whose columns stand in the order of `storage.write.batch.COLUMNS`."""
    return sort(table_of_blocks([decode_columns(encode(rows, ACTORS.of))], KNOWN))


class TableSnapshot(EventSnapshot):
    """A snapshot without a database: the events of one sorted table, read in some ranges of actors."""

    def __init__(self, table: pa.Table, ranges: int) -> None:
        self.known = KNOWN
        self._table = table
        self._ranges = ranges

    async def by_actor(self, scope: EventScope) -> AsyncIterator[pa.Table]:
        """Yield the events of a scope, those of an actor together."""
        for part in cut_by_actor(self._table, self._ranges):
            found = scope.select(scope.cut(part))
            if len(found):
                yield found


def cut_by_actor(table: pa.Table, ranges: int) -> list[pa.Table]:
    """Cut a sorted table into tables that hold whole actors, about equally many rows each."""
    actor = integers(table, "actor_hash")
    wanted = np.linspace(0, len(table), ranges + 1).astype(int)[1:-1]
    cuts = [0, *np.searchsorted(actor, actor[wanted]).tolist(), len(table)]
    return [table.slice(low, high - low) for low, high in pairwise(cuts) if high > low]
