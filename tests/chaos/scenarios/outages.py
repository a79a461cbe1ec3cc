"""Postgres killed, stopped and frozen under load."""

import os
import signal
import time
from contextlib import suppress

from tests.acceptance.running import WORKER
from tests.chaos.postgres import frozen, kill_all
from tests.chaos.stage import Stage

TWO_WORKERS = "2"
"""Outages are sat through by several workers, which share the spool's folder and must not share its batches."""

FROZEN_LEAST_S = 6.0
"""A transaction that is not answered is given up after 5 s; only then is the server known to be frozen."""


def kill_postgres(stage: Stage) -> None:
    """Fault: kill -9 of the embedded Postgres, the postmaster and all its processes.

    Expected: the parent starts it again, it recovers, and writes that were under way are tried again.
    """
    service = stage.service()
    stage.load(service)
    for _ in stage.rounds():
        stage.note(f"killed {kill_all(service.data_dir / 'postgres')} processes")
        stage.await_serving(service, time.monotonic())
    stage.settle()
    stage.expect_log(service, "postgres_died", "postgres_restarted", "write_retried")


def stop_postgres(stage: Stage) -> None:
    """Fault: Postgres is shut down and stays away.

    Expected: events are spooled meanwhile, and stored once it is back.
    """
    server = stage.postgres()
    service = stage.service(database_url=server.url, ANALYTICS_WORKERS=TWO_WORKERS)
    stage.load(service)
    server.stop()
    time.sleep(stage.pace.outage_s)
    stage.expect_spooling(service)
    server.start()
    stage.await_serving(service, time.monotonic())
    stage.calm()
    stage.settle()
    stage.expect_log(service, "storage_gone", "spooling_started", "spool_drained", "storage_back")


def freeze_postgres(stage: Stage) -> None:
    """Fault: every process of Postgres is frozen (SIGSTOP): connections stay open and nothing answers.

    Expected: events are spooled meanwhile, and stored once it goes on, also those whose commit it had begun.
    """
    server = stage.postgres()
    service = stage.service(database_url=server.url, ANALYTICS_WORKERS=TWO_WORKERS)
    stage.load(service)
    with frozen(server.data):
        time.sleep(max(stage.pace.outage_s, FROZEN_LEAST_S))
        stage.expect_spooling(service)
    stage.await_serving(service, time.monotonic())
    stage.calm()
    stage.settle()
    stage.expect_log(service, "storage_gone", "spooling_started", "spool_drained", "storage_back")


def kill_worker_in_outage(stage: Stage) -> None:
    """Fault: while Postgres is away and events are spooled, the only worker is killed (kill -9).

    Expected: the next worker takes events into the spool at once, and drains that of the dead one, too.
    """
    server = stage.postgres()
    service = stage.service(database_url=server.url)
    stage.load(service)
    server.stop()
    time.sleep(stage.pace.outage_s)
    stage.expect_spooling(service)
    (victim,) = service.pids(WORKER)
    os.kill(victim, signal.SIGKILL)
    stage.expect_spooling(service, within_s=stage.pace.back_within_s)
    stage.calm()
    server.start()
    stage.await_serving(service, time.monotonic())
    stage.calm()
    stage.settle()
    stage.expect_log(service, "child_restarted", "spooling_started", "spool_adopted", "spool_drained")


def stop_service_in_outage(stage: Stage) -> None:
    """Fault: while Postgres is away and events are spooled, the service is stopped by SIGTERM.

    Expected: it does not wait for Postgres in order to stop; the next start stores what was spooled.
    """
    server = stage.postgres()
    service = stage.service(database_url=server.url)
    stage.load(service)
    server.stop()
    time.sleep(stage.pace.outage_s)
    stage.expect_spooling(service)
    stage.stop(service)
    server.start()
    started_s = time.monotonic()
    service.start()
    stage.await_serving(service, started_s)
    stage.calm()
    stage.settle()
    stage.expect_log(service, "spooling_started", "spool_adopted", "spool_drained")


def kill_service_in_outage(stage: Stage) -> None:
    """Fault: while Postgres is away and events are spooled, every process of the service is killed (kill -9).

    Expected: the next start finds the spool and stores what the dead process had acknowledged.
    """
    server = stage.postgres()
    service = stage.service(database_url=server.url, ANALYTICS_WORKERS=TWO_WORKERS)
    stage.load(service)
    server.stop()
    time.sleep(stage.pace.outage_s)
    stage.expect_spooling(service)
    assert service.process is not None
    service.process.kill()  # the parent first, which would start its workers again
    for pid in service.pids(WORKER):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    service.process.wait()
    server.start()
    started_s = time.monotonic()
    service.start()
    stage.await_serving(service, started_s)
    stage.calm()
    stage.settle()
    stage.expect_log(service, "spooling_started", "spool_adopted", "spool_drained")
