"""What tests of segments work on: small sizes, a reader, and servers that are killed before or after a statement."""

import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from storage.postgres.database import Database
from storage.segments import files, keeping, places, plans
from storage.segments.catalogue import SegmentCatalogue
from storage.segments.keeping import SegmentKeeper
from storage.segments.parts import PartCache, PartFetcher
from storage.segments.places import PostgresPlace
from storage.segments.plans import plan_merge, take_blocks
from storage.segments.scopes import EventScope
from storage.segments.snapshot import EventReader
from storage.segments.tables import rows_of_table
from tests.event_tables import KNOWN
from tests.rows import NOON, make_row, make_store

STATEMENTS = ("execute", "fetch", "fetchrow", "fetchval", "executemany", "copy_records_to_table")
SMALL: tuple[tuple[Any, str, int], ...] = (
    (plans, "MOST_ROWS", 12),
    (plans, "MERGE_INPUTS", 3),
    (plans, "MOST_SEGMENT_ROWS", 24),
    (plans, "ROWS_PER_BUCKET", 12),
    (keeping, "MOST_SEGMENT_ROWS", 24),
    (keeping, "LEAST_ROWS_OF_A_DAY", 4),
    (places, "PART_BYTES", 3000),
    (files, "ROWS_PER_GROUP", 5),
)
"""Sizes with which few events make many segments of many parts."""
Row = tuple[Any, ...]


def use_small_sizes(patch: pytest.MonkeyPatch) -> None:
    """Make segments small."""
    for module, name, value in SMALL:
        patch.setattr(module, name, value)


def make_rows(number: int, rng: random.Random) -> list[Row]:
    """Make rows of some actors, on a few days, of every kind."""
    kinds = (
        ("view", '{"contentId":"post-1","viewDuration":0.1}'),
        ("purchase", '{"amount":29.99,"currency":"EUR","conversionPath":["a","b"]}'),
        ("poke", '{"who":"me"}'),
    )
    rows = []
    for _ in range(number):
        kind, data = rng.choice(kinds)
        rows.append(
            make_row(
                event_type=kind,
                event_data=data,
                user_id=f"user-{rng.randrange(40)}",
                timestamp=NOON - timedelta(days=rng.choice([0, 0, 0, 1, 2, 40]), seconds=rng.randrange(3)),
                sequence=rng.randrange(3),
            )
        )
    return rows


class KilledError(BaseException):
    """The process is dead: nothing of it goes on."""


@contextmanager
def killed_at(statement: int | None, *, is_sent: bool) -> Iterator[Callable[[], bool]]:
    """Kill whoever comes to a statement (from 1), before it is sent or before its answer arrives. None: nobody.

    Yields what tells whether somebody was killed.
    """
    left = statement

    def doom(original: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
        async def run(connection: Any, *arguments: Any, **options: Any) -> object:
            nonlocal left
            if left is None:
                return await original(connection, *arguments, **options)
            left -= 1
            if left > 0:
                return await original(connection, *arguments, **options)
            if left == 0 and is_sent:
                await original(connection, *arguments, **options)
            connection.terminate()
            raise KilledError

        return run

    with pytest.MonkeyPatch.context() as patch:
        for name in STATEMENTS:
            patch.setattr(asyncpg.Connection, name, doom(getattr(asyncpg.Connection, name)))
        yield lambda: left is not None and left <= 0


class Server:
    """What one server has for keeping and reading segments."""

    def __init__(self, database: Database, cache: Path) -> None:
        place = PostgresPlace(database)
        self.cache = PartCache(cache, max_bytes=1 << 30)
        self.parts = PartFetcher(place, self.cache)
        self.place = place
        self.catalogue = SegmentCatalogue(database, place)
        self.keeper = SegmentKeeper(self.catalogue, self.parts, KNOWN)
        self.reader = EventReader(database, self.parts, KNOWN)
        self.store = make_store(database)

    async def seal(self) -> bool:
        """Seal what there is, up to the bound of one sealing."""
        blocks = take_blocks(await self.catalogue.list_blocks())
        return bool(blocks) and await self.keeper.seal(blocks)

    async def merge(self) -> bool:
        """Merge what is due."""
        plan = plan_merge(await self.catalogue.list_segments())
        return plan is not None and await self.keeper.merge(plan)

    async def read(self, scope: EventScope | None = None) -> Counter[Row]:
        """Read the events, each with what tells it from others."""
        rows = [row for table in await self.reader.read(scope) for row in rows_of_table(table, KNOWN)]
        return count(rows)


def count(rows: Sequence[Row]) -> Counter[Row]:
    """Count rows."""
    return Counter(rows)
