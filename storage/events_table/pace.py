"""The pace of copying: it rests while events come in."""

import asyncio
from datetime import timedelta

from storage.events_table.statements import statement
from storage.postgres.database import Connection

JUST_NOW = timedelta(seconds=1)
REST_SHARE = 3.0
"""Beside writers it rests three times as long as it worked: a quarter of one core for Postgres and this process."""
MOST_REST_S = 5.0
"""A chunk that took longer than a second or two waited for something else."""
sleep = asyncio.sleep


class WritePace:
    """Rests between chunks of work while events come in.

    Args of the constructor:
        connection: idle between chunks.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def rest(self, worked_s: float) -> None:
        """Rest after some work, where events came in just now; the longer the work took, the busier the machine is."""
        if await self._connection.fetchval(statement("has_new_blocks"), JUST_NOW):
            await sleep(min(REST_SHARE * worked_s, MOST_REST_S))
