"""Metrics for Prometheus: served by the parent process, and read from the ledger, so that they survive restarts."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from runtime.errors import AnalyticsError
from storage.database import Database
from storage.ingest_ledger import read_ingest_hours, read_storage_size

log = structlog.get_logger(__name__)

COLLECT_TIMEOUT_S = 5.0
"""A scrape that takes longer is of no use to Prometheus, which gives up after ten."""
OUTCOMES = ("stored", "duplicates", "rejected")


class IngestCollector(Collector):
    """Collects the figures of `analytics ingest stats`, of all time; called from the metrics server's own threads."""

    def __init__(self, database: Database, spool_folder: Path, loop: asyncio.AbstractEventLoop) -> None:
        """Take the database, the spool's folder, and the loop that the database belongs to."""
        self._database = database
        self._spool_folder = spool_folder
        self._loop = loop

    def collect(self) -> Iterator[Metric]:
        """Read everything anew; while the database is away only that is told."""
        reading = asyncio.run_coroutine_threadsafe(self._read(), self._loop)
        try:
            metrics = reading.result(COLLECT_TIMEOUT_S)
        except (AnalyticsError, TimeoutError):
            reading.cancel()
            metrics = []
        yield GaugeMetricFamily("analytics_storage_up", "Whether the database answers.", float(bool(metrics)))
        yield from metrics

    async def _read(self) -> list[Metric]:
        hours = await read_ingest_hours(self._database, self._spool_folder)
        size = await read_storage_size(self._database)
        events = CounterMetricFamily(
            "analytics_ingest_events", "Events by what became of them, ever.", labels=["outcome"]
        )
        for outcome in OUTCOMES:
            events.add_metric([outcome], sum(getattr(hour, outcome) for hour in hours))
        return [
            events,
            GaugeMetricFamily(
                "analytics_ingest_spooled_events",
                "Events that wait on this machine for the database.",
                sum(hour.spooled for hour in hours),
            ),
            GaugeMetricFamily("analytics_database_bytes", "Size of the database.", size.database_bytes),
            GaugeMetricFamily("analytics_quarantine_bytes", "Size of the quarantine.", size.quarantine_bytes),
        ]


@contextmanager
def serve_metrics(database: Database, spool_folder: Path, *, host: str, port: int) -> Iterator[int]:
    """Answer GET /metrics while the context lasts, and yield the port; 0 where there is none to listen on.

    A port that is taken is told and otherwise ignored: figures are not worth refusing events for.

    Args:
        database: where the ledger is; of the running loop.
        spool_folder: where events wait while the database is away.
        host: the address to listen on.
        port: the port; 0 turns metrics off.
    """
    if not port:
        yield 0
        return
    registry = CollectorRegistry()
    registry.register(IngestCollector(database, spool_folder, asyncio.get_running_loop()))
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as exc:
        log.warning("metrics_not_served", address=f"{host}:{port}", error=exc.strerror)
        yield 0
        return
    try:
        yield port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
