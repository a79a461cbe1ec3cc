"""A database as the service left it before rollups knew all that a dashboard shows, at revision 0004.

What rollups were then is written down here, and does not follow what they are now.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import sqlalchemy as sa
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationStep
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import create_async_engine

import storage.postgres.migrations
from storage.postgres.database import Connection, Database
from storage.postgres.migrate import VERSION_TABLE
from storage.rollups import Timeframe
from storage.rollups.forms.sketch import REGISTERS, make_sketch
from tests.integration.folded import store
from tests.oracle.dashboard import Seen

OLD, NEXT_TO_NEWEST = "0004", "0006"
INSERT_SKETCHES = """
INSERT INTO analytics_distinct_sketches (timeframe, timestamp, frozen, actors, sessions) VALUES ($1, $2, $3, $4, $5)
"""

Metadata = dict[str, dict[str, int | Decimal]]


async def migrate_to(url: str, revision: str) -> None:
    """Bring an empty database to an earlier revision."""
    scripts = ScriptDirectory(str(Path(next(iter(storage.postgres.migrations.__path__)))))

    def steps(current: object, _context: MigrationContext) -> list[MigrationStep]:
        return list(scripts._upgrade_revs(revision, current))  # type: ignore[arg-type]

    def upgrade(connection: sa.Connection) -> None:
        environment = EnvironmentContext(Config(), scripts, fn=steps, destination_rev=revision)
        environment.configure(connection=connection, transaction_per_migration=True, version_table=VERSION_TABLE)
        with environment.begin_transaction():
            environment.run_migrations()

    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url))
    try:
        async with engine.connect() as connection:
            await connection.run_sync(upgrade)
    finally:
        await engine.dispose()


async def store_as_then(database: Database, sql: Connection, *rows: object) -> None:
    """Store rows as the service did: deltas told no times."""
    await sql.execute("ALTER TABLE analytics_aggregation_deltas ADD first_at timestamptz, ADD last_at timestamptz")
    await store(database, *rows)
    await sql.execute("ALTER TABLE analytics_aggregation_deltas DROP first_at, DROP last_at")


async def forget_deltas(sql: Connection) -> None:
    """Let all that is stored be folded."""
    await sql.execute("DELETE FROM analytics_aggregation_deltas")


async def write_rollups(sql: Connection, timeframe: Timeframe, events: Iterable[Seen], *, is_frozen: bool) -> None:
    """Write the old rollups of events: counts and metadata by type, and sketches of actors and sessions."""
    periods: defaultdict[datetime, list[Seen]] = defaultdict(list)
    for event in events:
        periods[timeframe.start_of(event.timestamp)].append(event)
    for period, some in periods.items():
        types: defaultdict[str, list[Seen]] = defaultdict(list)
        for event in some:
            types[event.event_type].append(event)
        await sql.executemany(
            "INSERT INTO analytics_aggregations (timeframe, timestamp, event_type, frozen, count, metadata) "
            "VALUES ($1, $2, $3, $4, $5, $6)",
            [
                (timeframe.value, period, name, is_frozen, len(of_type), _write_json(measure(of_type)))
                for name, of_type in types.items()
            ],
        )
        actors = await _sketch(sql, [event.actor_id for event in some])
        sessions = await _sketch(sql, [event.session_id for event in some if event.session_id is not None])
        await sql.execute(INSERT_SKETCHES, timeframe.value, period, is_frozen, actors, sessions)


def measure(events: Sequence[Seen]) -> Metadata:
    """Add up what metadata knew of events of one type."""
    sums: defaultdict[str, defaultdict[str, int | Decimal]] = defaultdict(lambda: defaultdict(int))
    for event in events:
        sums["platforms"][event.platform or ""] += 1
        if event.event_type == "purchase":
            sums["orders"][event.data["currency"]] += 1
            sums["revenue"][event.data["currency"]] += event.data["amount"]
        for event_type, name in (("view", "viewDuration"), ("stream", "watchDuration")):
            if event.event_type == event_type and name in event.data:
                sums[name]["sum"] += event.data[name]
                sums[name]["count"] += 1
        if event.event_type == "session" and event.data["action"] == "start":
            sums["sessions"]["started"] += 1
    return {name: dict(keys) for name, keys in sums.items()}


async def _sketch(sql: Connection, values: Sequence[str]) -> bytes:
    """Make registers as they were stored: not packed."""
    rows = await sql.fetch(
        "SELECT hashtextextended(value, 0) AS hash FROM unnest($1::text[]) AS listed (value)", values
    )
    registers = make_sketch(row["hash"] for row in rows)
    assert len(registers) == REGISTERS
    return registers


def _write_json(metadata: Mapping[str, Mapping[str, Any]]) -> str:
    text = json.dumps(metadata, default=lambda exact: f"<{exact}>")
    return text.replace('"<', "").replace('>"', "")
