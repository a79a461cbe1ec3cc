"""Metrics for Prometheus: served by the parent process, and read from the database, so that they survive restarts."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from runtime.errors import AnalyticsError
from runtime.supervision import Restarts
from storage.events_table.lag import read_copy_lag
from storage.job_health import read_job_health, read_segment_levels, read_waiting_blocks
from storage.keys.refusals import read_refusals
from storage.postgres.database import Database
from storage.upkeep import read_upkeep
from storage.write.ingest_ledger import read_ingest_hours, read_storage_size

log = structlog.get_logger(__name__)

COLLECT_TIMEOUT_S = 5.0
"""A scrape that takes longer is of no use to Prometheus, which gives up after ten."""
OUTCOMES = ("stored", "duplicates", "rejected")


class StorageCollector(Collector):
    """Collects what the database knows about ingestion and jobs; called from the metrics server's own threads."""

    def __init__(self, database: Database, spool_folder: Path, loop: asyncio.AbstractEventLoop) -> None:
        """Take the database, the spool's folder, and the loop that the database belongs to."""
        self._database = database
        self._spool_folder = spool_folder
        self._loop = loop

    def collect(self) -> Iterator[Metric]:
        """Read all figures; while the database is unavailable, report only that."""
        reading = asyncio.run_coroutine_threadsafe(self._read(), self._loop)
        try:
            metrics = reading.result(COLLECT_TIMEOUT_S)
        except (AnalyticsError, TimeoutError):
            reading.cancel()
            metrics = []
        yield GaugeMetricFamily("analytics_storage_up", "Whether the database responds.", float(bool(metrics)))
        yield from metrics

    async def _read(self) -> list[Metric]:
        return [
            *await _read_ingest(self._database, self._spool_folder),
            *await _read_jobs(self._database),
            *await _read_upkeep(self._database),
            *await _read_stored(self._database),
            *await _read_copy_lag(self._database),
            await _read_refusals(self._database),
        ]


async def _read_ingest(database: Database, spool_folder: Path) -> list[Metric]:
    """Read the figures of `analytics ingest stats`, of all time."""
    hours = await read_ingest_hours(database, spool_folder)
    size = await read_storage_size(database)
    events = CounterMetricFamily(
        "analytics_ingest_events", "Events by outcome, since the first one.", labels=["outcome"]
    )
    for outcome in OUTCOMES:
        events.add_metric([outcome], sum(getattr(hour, outcome) for hour in hours))
    return [
        events,
        GaugeMetricFamily(
            "analytics_ingest_spooled_events",
            "Events spooled on this machine until the database accepts them.",
            sum(hour.spooled for hour in hours),
        ),
        GaugeMetricFamily(
            "analytics_ingest_set_aside_events",
            "Spooled events of this machine that the database refused: see `analytics ingest aside`.",
            sum(hour.set_aside for hour in hours),
        ),
        GaugeMetricFamily("analytics_database_bytes", "Size of the database.", size.database_bytes),
        GaugeMetricFamily("analytics_quarantine_bytes", "Size of the quarantine.", size.quarantine_bytes),
    ]


async def _read_jobs(database: Database) -> list[Metric]:
    """Read the results of the last runs of all jobs, of every server."""
    succeeded = GaugeMetricFamily(
        "analytics_job_last_success_timestamp_seconds", "End of the last successful run of a job.", labels=["job"]
    )
    is_good = GaugeMetricFamily(
        "analytics_job_last_run_success", "Whether the last run of a job succeeded.", labels=["job"]
    )
    duration = GaugeMetricFamily(
        "analytics_job_last_run_duration_seconds", "Duration of the last run of a job.", labels=["job"]
    )
    for health in await read_job_health(database):
        if health.succeeded_at is not None:
            succeeded.add_metric([health.job], health.succeeded_at.timestamp())
        is_good.add_metric([health.job], float(health.is_good))
        duration.add_metric([health.job], health.duration_s)
    return [succeeded, is_good, duration]


async def _read_upkeep(database: Database) -> list[Metric]:
    """Read how often blocks were sealed and segments merged, by every server, since the first time."""
    runs = CounterMetricFamily(
        "analytics_upkeep_runs", "Runs of seal and merge, by outcome: done or failed.", labels=["job", "outcome"]
    )
    rows = CounterMetricFamily("analytics_upkeep_events", "Events that seal and merge have rewritten.", labels=["job"])
    for job, state in (await read_upkeep(database)).items():
        runs.add_metric([job, "done"], state.runs)
        runs.add_metric([job, "failed"], state.failures)
        rows.add_metric([job], state.rows)
    return [runs, rows]


async def _read_stored(database: Database) -> list[Metric]:
    """Read what lies in blocks and in segments."""
    waiting = await read_waiting_blocks(database)
    levels = await read_segment_levels(database)
    segments = GaugeMetricFamily("analytics_segments", "Segments by level.", labels=["level"])
    rows = GaugeMetricFamily("analytics_segment_events", "Events in segments, by level.", labels=["level"])
    sizes = GaugeMetricFamily("analytics_segment_bytes", "Bytes of segments, by level.", labels=["level"])
    for level in levels:
        for family, value in ((segments, level.segments), (rows, level.rows), (sizes, level.bytes)):
            family.add_metric([str(level.level)], value)
    unsummarised = waiting.rows + sum(level.unsummarised_rows for level in levels)
    return [
        GaugeMetricFamily("analytics_blocks", "Blocks that wait to be sealed.", waiting.blocks),
        GaugeMetricFamily("analytics_block_events", "Events in blocks that wait to be sealed.", waiting.rows),
        GaugeMetricFamily("analytics_block_bytes", "Bytes of blocks that wait to be sealed.", waiting.bytes),
        GaugeMetricFamily(
            "analytics_oldest_block_age_seconds", "Since when the oldest block is stored; 0 without any.", waiting.age_s
        ),
        GaugeMetricFamily("analytics_unsummarised_events", "Events that are in no summary yet.", unsummarised),
        segments,
        rows,
        sizes,
    ]


async def _read_copy_lag(database: Database) -> list[Metric]:
    """Read how far the table for SQL and BI tools is behind."""
    lag = await read_copy_lag(database)
    return [
        GaugeMetricFamily("analytics_events_table_lag_events", "Stored events not yet in analytics_events.", lag.rows),
        GaugeMetricFamily(
            "analytics_events_table_lag_seconds", "Since when the oldest of those events is stored.", lag.seconds
        ),
    ]


async def _read_refusals(database: Database) -> Metric:
    """Read how many calls were refused for who made them."""
    counted = CounterMetricFamily(
        "analytics_refused_calls", "Calls refused for their key, token, scope or quota, by reason.", labels=["reason"]
    )
    for reason, calls in (await read_refusals(database)).items():
        counted.add_metric([reason], calls)
    return counted


class RestartsCollector(Collector):
    """Collects how often the parent process has restarted its children."""

    def __init__(self, restarts: Restarts) -> None:
        """Take the counts, which keep changing."""
        self._restarts = restarts

    def collect(self) -> Iterator[Metric]:
        """Read the counts; children that were never restarted are left out."""
        counted = CounterMetricFamily(
            "analytics_child_restarts",
            "Process restarts since this service started, by reason: ended, hung or not_started.",
            labels=["child", "because"],
        )
        for (child, because), count in self._restarts.copy().items():
            counted.add_metric([child, because], count)
        yield counted


@contextmanager
def serve_metrics(database: Database, spool_folder: Path, restarts: Restarts, *, host: str, port: int) -> Iterator[int]:
    """Answer GET /metrics while the context lasts, and yield the port; 0 if metrics are off or the port is taken.

    A taken port is logged and otherwise ignored: missing metrics must not stop the service from accepting events.

    Args:
        database: where the ledger is; of the running loop.
        spool_folder: where events wait while the database is unavailable.
        restarts: how often each child process was started again.
        host: the address to listen on.
        port: the port; 0 turns metrics off.
    """
    if not port:
        yield 0
        return
    registry = CollectorRegistry()
    registry.register(StorageCollector(database, spool_folder, asyncio.get_running_loop()))
    registry.register(RestartsCollector(restarts))
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
