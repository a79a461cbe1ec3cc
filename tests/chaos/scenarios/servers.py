"""Several servers on one database."""

import os
import signal
import time

from tests.acceptance.running import WORKER
from tests.chaos.stage import Stage


def two_servers(stage: Stage) -> None:
    """Fault: two clients send the same events to two servers at once, in opposite orders, and a worker is killed.

    Expected: each event is stored by one of them, once; no deadlock; each answer adds up.
    """
    server = stage.postgres()
    shared = {"database_url": server.url, "ANALYTICS_IP_HASH_KEY": "a secret of both servers"}
    first, second = (stage.service(name, **shared) for name in ("first", "second"))
    stage.load(first, second, name="one", seed="shared", resends=True)
    stage.load(second, first, name="other", seed="shared", reverse=True, resends=True)
    for _ in stage.rounds():
        (victim,) = first.pids(WORKER)
        os.kill(victim, signal.SIGKILL)
        killed_s = time.monotonic()
        stage.await_serving(first, killed_s)
        stage.await_serving(second, killed_s)
    stage.settle()
    stage.expect_log(first, "child_restarted")
