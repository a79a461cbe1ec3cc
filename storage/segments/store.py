"""The segments of one database: everything that reads, keeps and changes them, put together once."""

import asyncio
from contextlib import suppress
from pathlib import Path

from storage.postgres.database import Database
from storage.postgres.errors import StorageError
from storage.segments.catalogue import SegmentCatalogue
from storage.segments.keeping import SegmentKeeper, Summarising
from storage.segments.parts import PartCache, PartFetcher
from storage.segments.places import PostgresPlace
from storage.segments.schema import EventColumns
from storage.segments.snapshot import EventReader

SWEEP_CACHE_S = 60.0
"""The cache may grow past its bound by what reports read in a minute."""


class SegmentStore:
    """What a process needs to read and keep the segments of a database; it opens nothing itself.

    Attributes:
        known: the columns of the event catalogue.
        copies: as in `SegmentKeeper`.
        place: where the bytes of segments lie.
        cache: parts of segments on this machine's disk; None where it has no room.
        parts: fetches the bytes of segments.
        catalogue: says which segments count.
        keeper: seals, merges and ages.
        reader: reads all events.

    Args of the constructor:
        database: a migrated one.
        known: the columns of the event catalogue.
        cache_folder: the cache's folder, which several processes share; made where missing.
        cache_bytes: the room for it; 0 for no cache.
        summaries: as in `SegmentKeeper`.
        copies: as in `SegmentKeeper`.
    """

    def __init__(
        self,
        database: Database,
        known: EventColumns,
        *,
        cache_folder: Path,
        cache_bytes: int,
        summaries: Summarising | None = None,
        copies: bool = True,
    ) -> None:
        self.known = known
        self.copies = copies
        self.place = PostgresPlace(database)
        self.cache = PartCache(cache_folder, max_bytes=cache_bytes) if cache_bytes else None
        self.parts = PartFetcher(self.place, self.cache)
        self.catalogue = SegmentCatalogue(database, self.place)
        self.keeper = SegmentKeeper(self.catalogue, self.parts, known, summaries, copies=copies)
        self.reader = EventReader(database, self.parts, known)

    async def sweep_cache(self) -> None:
        """Remove from the cache what is no longer live, and what it has no room for.

        Raises:
            StorageUnavailableError: the database is away.
        """
        if self.cache is not None:
            live = {segment.checksum for segment in await self.catalogue.list_segments()}
            await asyncio.to_thread(self.cache.sweep, live)

    async def keep_cache_swept(self) -> None:
        """Sweep the cache every minute, until the caller is cancelled; while the database is away it stays as it is."""
        while True:
            with suppress(StorageError):
                await self.sweep_cache()
            await asyncio.sleep(SWEEP_CACHE_S)
