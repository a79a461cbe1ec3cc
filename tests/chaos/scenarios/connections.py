"""Connections that end at the wrong moment."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.acceptance.running import Service
from tests.chaos.proxy import CommitCutter, Cuts
from tests.chaos.service_log import read_log
from tests.chaos.stage import Stage

CUTS_A_ROUND = 6
CUT_PAUSE_S = 0.3
"""Long enough for the retry to get through: this scenario is about doubt, not about an outage."""
ENDS_A_ROUND = 5
END_PAUSE_S = 0.7
"""Longer than the health monitor's interval, so that it has a connection each time."""
CUT_WITHIN_S = 10.0


def cut_commits(stage: Stage) -> None:
    """Fault: again and again a connection breaks between a COMMIT and its answer, in turn after and before it is done.

    Expected: the write is tried again and tells its callers the truth: STORED, not DUPLICATE, and stored once.
    """
    service, proxy = _service_behind_proxy(stage)
    stage.load(service)
    for _ in stage.rounds():
        for number in range(CUTS_A_ROUND):
            _cut(stage, proxy, before=number % 2 == 1)
            time.sleep(CUT_PAUSE_S)
        stage.await_serving(service, time.monotonic())
    stage.settle()
    stage.note(f"cut {proxy.cuts.after} after the commit, {proxy.cuts.before} before it")
    stage.expect(proxy.cuts.after > 0 and proxy.cuts.before > 0, "not both kinds of cuts happened")
    stage.expect_log(service, "write_retried")


def cut_commit_and_stay_away(stage: Stage) -> None:
    """Fault: a connection breaks after a COMMIT is done and before its answer comes, and Postgres stays away after it.

    Expected: the batch whose fate is unknown goes to the spool, and is found to be stored when that is drained.
    """
    service, proxy = _service_behind_proxy(stage)
    stage.load(service)
    for _ in stage.rounds():
        _cut(stage, proxy, then_leave=True)
        time.sleep(stage.pace.outage_s / 2 if stage.pace.rounds > 1 else stage.pace.outage_s)
        stage.expect_spooling(service)
        proxy.come_back()
        stage.await_serving(service, time.monotonic())
    stage.settle()
    stage.note(f"cut {proxy.cuts.after} after the commit")
    stage.expect(proxy.cuts.after > 0, "no commit was cut off from its answer")
    stage.expect_log(service, "spooling_started", "batch_recalled", "spool_drained")


def end_connections(stage: Stage) -> None:
    """Fault: Postgres ends every connection with an error (57P01), as when it is shut down, and its end comes later.

    Expected: the service finds such a connection broken, opens another one and tries again; no caller notices.
    """
    service, proxy = _service_behind_proxy(stage)
    stage.load(service)
    for _ in stage.rounds():
        for _ in range(ENDS_A_ROUND):
            proxy.end_sessions()
            time.sleep(END_PAUSE_S)
        stage.await_serving(service, time.monotonic())
    stage.settle()
    restarts = [line for line in read_log(service) if line.get("event") == "child_restarted"]
    stage.expect(not restarts, f"workers ended, {len(restarts)} times")
    stage.expect_log(service, "write_retried")


def _service_behind_proxy(stage: Stage) -> tuple[Service, CommitCutter]:
    def make() -> CommitCutter:
        # A folder of its own right under the system's temporary one: the path of a socket must be short.
        folder = Path(stage.resources.enter_context(TemporaryDirectory(prefix="chaos-")))
        return stage.resources.enter_context(CommitCutter(folder, stage.postgres().url))

    proxy = stage.once(CommitCutter, make)
    proxy.cuts = Cuts()
    return stage.service(database_url=proxy.url), proxy


def _cut(stage: Stage, proxy: CommitCutter, *, before: bool = False, then_leave: bool = False) -> None:
    cuts = proxy.cuts.total
    proxy.cut_next(before=before, then_leave=then_leave)
    stage.wait_for("a commit is cut off", lambda: proxy.cuts.total > cuts, CUT_WITHIN_S)
