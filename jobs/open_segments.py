"""The segments of a database as jobs keep them: with what they know of events, and with summaries."""

from functools import cache

from events.catalogue import load_catalogue
from events.columns import columns_of
from runtime.settings import Settings
from storage.postgres.database import Database
from storage.segments.schema import EventColumns
from storage.segments.store import SegmentStore
from storage.summaries.folding import SummaryKeeper


@cache
def known_columns() -> EventColumns:
    """Describe the columns of this program's event catalogue."""
    return EventColumns.of(columns_of(load_catalogue()))


def open_segments(database: Database, settings: Settings) -> SegmentStore:
    """Put together what seals, merges and ages. It reads each segment once, so it needs no cache."""
    return SegmentStore(
        database,
        known_columns(),
        cache_folder=settings.segment_cache_folder,
        cache_bytes=0,
        summaries=SummaryKeeper(database),
        copies=settings.events_table_days > 0,
    )
