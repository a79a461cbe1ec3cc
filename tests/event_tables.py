"""Tables of events for tests, made of rows the way that blocks are."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from events.catalogue import load_catalogue
from events.columns import columns_of
from storage.blocks.codec import decode_columns, encode
from storage.segments.schema import EventColumns
from storage.segments.tables import sort, table_of_blocks
from tests.rows import ACTORS

KNOWN = EventColumns.of(columns_of(load_catalogue()))


def make_table(rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    """Make the sorted table of at least one row, whose columns stand in the order of `storage.write.batch.COLUMNS`."""
    return sort(table_of_blocks([decode_columns(encode(rows, ACTORS.of))], KNOWN))
