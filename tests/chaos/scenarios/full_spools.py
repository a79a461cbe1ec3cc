"""Spools that have no room left."""

import resource
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

from tests.acceptance.running import WORKER, Service
from tests.chaos.conservation import BROKEN_IN_MID_WRITE
from tests.chaos.load import Load
from tests.chaos.postgres import PostgresServer
from tests.chaos.stage import Stage

SMALL_SPOOL_BYTES = 384 * 1024
SMALL_DISK_BYTES = 1024 * 1024
"""Some seconds of the load."""
FULL_WITHIN_S = 30.0


def spool_full(stage: Stage) -> None:
    """Fault: Postgres stays away for longer than the spool has room (ANALYTICS_SPOOL_MAX_BYTES).

    Expected: UNAVAILABLE, reason SPOOL_FULL, with RetryInfo; ingest is not serving; what was taken before is stored
    once Postgres is back.
    """
    server = stage.postgres()
    service = stage.service(database_url=server.url, ANALYTICS_SPOOL_MAX_BYTES=str(SMALL_SPOOL_BYTES))
    load = stage.load(service)
    server.stop()
    _sit_out(stage, service, load, server, {"SPOOL_FULL"})
    stage.expect_log(service, "spooling_started", "spool_full", "spool_drained")


def disk_full(stage: Stage) -> None:
    """Fault: Postgres is away and the disk under the spool is full (a small tmpfs; RLIMIT_FSIZE where that may not be).

    Expected: UNAVAILABLE with RetryInfo; what was taken before is stored once Postgres is back, although no byte of
    the disk is ever freed by hand.
    """
    server = stage.postgres()
    spool = stage.folder / "service" / "spool"
    mounted = _mount_small_disk(stage.resources, spool)
    service = stage.service(database_url=server.url)
    if not mounted:
        _limit_file_sizes(service)
    stage.note("tmpfs" if mounted else "RLIMIT_FSIZE: no right to mount here")
    load = stage.load(service)
    server.stop()
    _sit_out(stage, service, load, server, {"SPOOL_FULL", "SPOOL_UNWRITABLE"})
    stage.expect_log(service, "spooling_started", "spool_unwritable", "spool_drained")


def _sit_out(stage: Stage, service: Service, load: Load, server: PostgresServer, reasons: set[str]) -> None:
    """Wait until the spool takes no more, stay for the outage, bring Postgres back and count."""
    probe = stage.probe(service)
    answers: list[str] = []

    def is_refused() -> bool:
        answers.append(probe.send())
        return any(answers[-1] == f"UNAVAILABLE {reason}" for reason in reasons)

    try:
        stage.wait_for("a refusal", is_refused, FULL_WITHIN_S)
    except AssertionError:
        stage.report(f"the full spool never said so, but {answers[-3:]}")
    stage.expect("SPOOLED" in answers, f"nothing was spooled before, but {answers[:3]}")
    full_at_s = time.time()
    time.sleep(stage.pace.outage_s)
    told = {str(failure) for failure in load.failures_since(full_at_s)} - {BROKEN_IN_MID_WRITE}
    stage.expect(told <= {f"UNAVAILABLE {reason}" for reason in reasons}, f"the full spool was answered {told}")
    health = service.health("ingest")
    stage.expect(health == "NOT_SERVING", f"with the spool full health('ingest') is {health}")
    server.start()
    stage.await_serving(service, time.monotonic())
    stage.calm()
    stage.settle()


def _mount_small_disk(resources: ExitStack, folder: Path) -> bool:
    """Mount a small tmpfs, for as long as the stage lasts; tell whether that is allowed here."""
    folder.mkdir(parents=True)
    options = f"size={SMALL_DISK_BYTES},mode=0700"
    command = ["mount", "-t", "tmpfs", "-o", options, "analytics-chaos", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    resources.callback(subprocess.run, ["umount", "--lazy", str(folder)], check=True)
    return True


def _limit_file_sizes(service: Service) -> None:
    """Let the workers' files grow no further than a small disk; Python ignores the signal, so that writes fail."""
    for pid in service.pids(WORKER):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (SMALL_DISK_BYTES, SMALL_DISK_BYTES))
