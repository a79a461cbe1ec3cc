"""A database with the tables of blocks and segments, beside those of the migrations that they will become part of."""

from pathlib import Path

import storage
from storage.postgres.database import Connection

LAYOUT = Path(storage.__file__).parent / "layout.sql"


async def apply_layout(connection: Connection) -> None:
    """Make the tables."""
    await connection.execute(LAYOUT.read_text())
