"""The standard health service, updated by a monitor."""

import asyncio
from collections.abc import Callable, Sequence

import structlog
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio

from runtime.supervision import wait_for_event
from storage.postgres.database import Database
from storage.postgres.errors import StorageError

log = structlog.get_logger(__name__)

PING_INTERVAL_S = 0.5
PING_TIMEOUT_S = 2.0
STORAGE = "storage"
"""The name for the health of the database, for operators."""
INGEST = "ingest"
"""The name for load balancers of Track calls: during an outage of the database, events are still accepted."""

Status = health_pb2.HealthCheckResponse


class Health:
    """Maintains the health of every name.

    The empty name, each service's full name and `storage` serve while the database answers; `ingest` serves as long as
    events are accepted, including into the spool.
    """

    def __init__(self, services: Sequence[str], *, takes_events: Callable[[bool], bool]) -> None:
        """Take the services; `takes_events` returns whether events are accepted, given whether the database answers."""
        self.servicer = aio.HealthServicer()
        self._names = ("", *services, STORAGE)
        self._takes_events = takes_events
        self._told: dict[str, bool] = {}

    async def tell(self, *, database_answers: bool) -> None:
        """Set every name; after `drain` this changes nothing."""
        serving = dict.fromkeys(self._names, database_answers) | {INGEST: self._takes_events(database_answers)}
        for name, serves in serving.items():
            if self._told.get(name) is not serves:
                await self.servicer.set(name, Status.SERVING if serves else Status.NOT_SERVING)
        self._told = serving

    async def drain(self) -> None:
        """Answer NOT_SERVING from now on, to new and to watching callers."""
        await self.servicer.enter_graceful_shutdown()

    async def look(self, database: Database) -> None:
        """Check the database, and update the health."""
        try:
            await database.ping(PING_TIMEOUT_S)
        except StorageError as exc:
            if self._told.get(STORAGE) is not False:
                log.error("storage_gone", reason=exc.reason)  # noqa: TRY400 - the reason is the whole story
            await self.tell(database_answers=False)
        else:
            if self._told.get(STORAGE) is False:
                log.info("storage_back")
            await self.tell(database_answers=True)

    async def monitor(self, database: Database, stop: asyncio.Event) -> None:
        """Check repeatedly until `stop` is set."""
        while not stop.is_set():
            await self.look(database)
            await wait_for_event(stop, PING_INTERVAL_S)
