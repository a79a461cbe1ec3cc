"""What most tests of storage ask for: the database that they work on, and a look at it from outside."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from storage.postgres.database import Connection, Database
from tests.integration.summary_stage import SummaryStage


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A migrated database of the test's own."""
    opened = await Database.open(database_url)
    yield opened
    await opened.close()


@pytest.fixture
async def sql(database_url: str) -> AsyncIterator[Connection]:
    """A connection of the test's own."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
def stage(database: Database, sql: Connection, tmp_path: Path) -> SummaryStage:
    """A server that folds events into summaries."""
    return SummaryStage(database, sql, tmp_path)
