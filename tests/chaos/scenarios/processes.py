"""Processes of the service and its clients that end in mid-work."""

import os
import signal
import time

from tests.acceptance.running import WORKER
from tests.chaos.load import Load
from tests.chaos.stage import Stage

RESENT_WITHIN_S = 60.0
MID_STREAM_WITHIN_S = 20.0


def kill_worker(stage: Stage) -> None:
    """Fault: kill -9 of the only worker, again and again.

    Expected: calls under way fail and are safe to repeat; the parent starts another worker and says so.
    """
    service = stage.service()
    stage.load(service)
    for _ in stage.rounds():
        (victim,) = service.pids(WORKER)
        os.kill(victim, signal.SIGKILL)
        stage.await_serving(service, time.monotonic())
    stage.settle()
    stage.expect_log(service, "child_restarted")


def sigterm(stage: Stage) -> None:
    """Fault: SIGTERM to the service under load, as at every deployment.

    Expected: it drains, ends in time with code 0, and what it has acknowledged is there after the next start.
    """
    service = stage.service()
    stage.load(service)
    for _ in stage.rounds():
        stage.stop(service)
        restarted_s = time.monotonic()
        service.start()
        stage.await_serving(service, restarted_s)
    stage.settle()
    stage.expect_log(service, "worker_draining", "service_stopped")


def kill_client(stage: Stage) -> None:
    """Fault: kill -9 of a client in mid-stream, which then starts anew and sends everything again.

    Expected: what was stored before is called a duplicate, the rest is stored; the log has a line for the stream.
    """
    service = stage.service()
    load = stage.load(service, resends=True)
    for _ in stage.rounds():
        stage.calm()
        stage.wait_for("a stream is under way", load.is_in_mid_stream, MID_STREAM_WITHIN_S)
        load.kill()
        stage.await_serving(service, time.monotonic())
        _send_all_again(stage, load)
    stage.settle()
    stage.expect_log(service, "rpc", method="TrackBatch")


def _send_all_again(stage: Stage, load: Load) -> None:
    repeated = load.count_taken() + load.count_distinct()
    load.start()
    stage.wait_for("everything is sent again", lambda: load.count_taken() >= repeated, RESENT_WITHIN_S)
