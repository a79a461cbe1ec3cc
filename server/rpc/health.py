"""The standard health service, told the truth by a monitor."""

import asyncio
from collections.abc import Sequence

import structlog
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio

from runtime.supervision import wait_for_event
from storage.database import Database
from storage.errors import StorageError

log = structlog.get_logger(__name__)

PING_INTERVAL_S = 0.5
PING_TIMEOUT_S = 2.0
STORAGE = "storage"
"""The name that operators ask about the database."""

Status = health_pb2.HealthCheckResponse


class Health:
    """Keeps the health of every name: the empty one, each service's full name, and `storage`."""

    def __init__(self, services: Sequence[str]) -> None:
        self.servicer = aio.HealthServicer()
        self._names = ("", *services, STORAGE)
        self._serving: bool | None = None

    async def set(self, *, serving: bool) -> None:
        """Set every name at once; after `drain` this changes nothing."""
        if serving == self._serving:
            return
        self._serving = serving
        for name in self._names:
            await self.servicer.set(name, Status.SERVING if serving else Status.NOT_SERVING)

    async def drain(self) -> None:
        """Answer NOT_SERVING from now on, to new and to watching callers."""
        await self.servicer.enter_graceful_shutdown()

    async def monitor(self, database: Database, stop: asyncio.Event) -> None:
        """Ask the database how it is until `stop`, and tell callers."""
        while not stop.is_set():
            try:
                await database.ping(PING_TIMEOUT_S)
            except StorageError as exc:
                if self._serving is not False:
                    log.error("storage_gone", reason=exc.reason)  # noqa: TRY400 - the reason is the whole story
                await self.set(serving=False)
            else:
                if self._serving is False:
                    log.info("storage_back")
                await self.set(serving=True)
            await wait_for_event(stop, PING_INTERVAL_S)
