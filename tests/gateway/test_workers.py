"""The gateway of `analytics up` and the workers behind it: each is asked, and each may die or hang."""

import collections
import concurrent.futures
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from sociallive.analytics.v1.analytics_service_pb2_grpc import AnalyticsServiceStub
from tests.acceptance.running import WORKER, Service, eventually, free_port, scrape
from tests.acceptance.samples import track
from tests.chaos.service_log import read_log
from tests.gateway.http import call
from tests.gateway.load import Load
from tests.gateway.running import ENVOY, need_envoy

WORKERS = 3
CALLS = 150
HANG_S = 3


@pytest.fixture
def service(made_data_dir: Path) -> Iterator[Service]:
    """Three workers and the gateway before them, which log every call."""
    need_envoy()
    with Service(
        made_data_dir,
        ANALYTICS_GATEWAY="auto",
        ANALYTICS_WORKERS=str(WORKERS),
        ANALYTICS_HANG_SECONDS=str(HANG_S),
        ANALYTICS_LOG_LEVEL="debug",
        ANALYTICS_METRICS_PORT=str(free_port()),
        PORT=str(free_port()),
    ) as running:
        yield running


def rest_port(service: Service) -> int:
    """Tell where its gateway listens."""
    return int(service.environment["PORT"])


def calls_by_worker(service: Service, start: int = 0) -> dict[str, int]:
    """Count the Track calls that each worker has logged from a character of the log on."""
    calls = (line for line in read_log(service, start) if line.get("event") == "rpc" and line["method"] == "Track")
    return collections.Counter(str(line["process"]) for line in calls)


def track_over_one_connection(service: Service, count: int = CALLS) -> None:
    """Send events over one HTTP/2 connection to the gateway, some at a time."""
    with (
        grpc.insecure_channel(f"127.0.0.1:{rest_port(service)}") as channel,
        concurrent.futures.ThreadPoolExecutor(4) as callers,
    ):
        stub = AnalyticsServiceStub(channel)  # type: ignore[no-untyped-call]
        for answer in [callers.submit(stub.Track, track(), timeout=20) for _ in range(count)]:
            answer.result()


def restarts(service: Service, because: str) -> float:
    """Read how often children were started again for a reason."""
    counted = scrape(int(service.environment["ANALYTICS_METRICS_PORT"]))
    return sum(
        value
        for name, value in counted.items()
        if name.startswith("analytics_child_restarts_total") and f'because="{because}"' in name
    )


@pytest.mark.finding(21)
def test_one_long_connection_reaches_every_worker(service: Service) -> None:
    """The gateway chooses among the workers call by call; a restarted one is chosen again."""
    track_over_one_connection(service)
    calls = calls_by_worker(service)
    assert len(calls) == WORKERS
    assert min(calls.values()) > CALLS / WORKERS / 3, calls
    victim = service.pids(WORKER)[0]
    os.kill(victim, signal.SIGKILL)
    eventually("it is replaced", lambda: service.output().count('"event":"worker_serving"') == WORKERS + 1)
    start = len(service.output())

    def all_are_asked() -> bool:
        track_over_one_connection(service, 20)
        return len(calls_by_worker(service, start)) == WORKERS

    eventually("every worker is asked again", all_are_asked)


@pytest.mark.finding(21)
def test_a_killed_worker_loses_no_call_that_may_be_sent_again(service: Service) -> None:
    """Every caller is answered 200, or 503 with `retry-after`; the worker is back on its own socket."""
    with Load(rest_port(service)) as load:
        for _ in range(2):
            load.wait_for_more()
            os.kill(service.pids(WORKER)[0], signal.SIGKILL)
        load.wait_for_more()
        eventually("both are replaced", lambda: len(service.pids(WORKER)) == WORKERS)
        load.wait_for_more()
    assert not load.failures, load.failures[:3]
    assert restarts(service, "ended") == 2


@pytest.mark.finding(20)
def test_a_hung_worker_is_replaced_while_others_serve(service: Service) -> None:
    """It is stopped where it stands, as by a deadlock: seconds later another one serves in its place."""
    victim = service.pids(WORKER)[0]
    os.kill(victim, signal.SIGSTOP)
    answered = 0

    def is_replaced() -> bool:
        nonlocal answered
        answered += call(rest_port(service), "GET", "/events/health").status == 200
        pids = service.pids(WORKER)
        return victim not in pids and len(pids) == WORKERS

    eventually("it is replaced", is_replaced)
    assert answered
    (hung,) = (line for line in read_log(service) if line.get("event") == "child_hung")
    assert (hung["pid"], hung["silent_s"]) == (victim, HANG_S)
    assert restarts(service, "hung") == 1
    track_over_one_connection(service)


@pytest.mark.finding(20)
def test_a_machine_that_slept_kills_no_healthy_worker(service: Service) -> None:
    """All processes are frozen for longer than a worker may hang, and thawed, the parent first."""
    everyone = [service.process.pid if service.process else 0, *service.pids(WORKER), *service.pids("cli\0gateway")]
    workers = service.pids(WORKER)
    for pid in reversed(everyone):
        os.kill(pid, signal.SIGSTOP)
    time.sleep(2 * HANG_S)  # the nap itself, not a wait for something
    for pid in everyone:
        os.kill(pid, signal.SIGCONT)
    naps_end = time.monotonic()
    # A worker that were counted as silent during the nap would be killed at the parent's first looks.
    eventually("the parent has looked", lambda: time.monotonic() > naps_end + HANG_S + 1)
    assert service.pids(WORKER) == workers
    assert "child_hung" not in service.output()
    track_over_one_connection(service, 20)


@pytest.mark.finding(21)
def test_sockets_of_a_killed_service_are_removed_by_the_next(service: Service) -> None:
    """The folder of the sockets is private, short, and gone with the service or its successor."""
    (envoy,) = service.pids(ENVOY)
    (gateway,) = (line for line in read_log(service) if line.get("event") == "gateway_serving")
    sockets = [Path(upstream.removeprefix("unix:")) for upstream in gateway["upstreams"]]
    folder = sockets[0].parent
    assert [path.name for path in sockets] == [f"worker-{number}.sock" for number in range(1, WORKERS + 1)]
    assert folder.stat().st_mode & 0o777 == 0o700
    assert len(str(sockets[0])) < 100
    service.kill()
    eventually("everything is gone", lambda: not service.pids(WORKER) and not Path(f"/proc/{envoy}").exists())
    assert folder.exists()
    service.start()
    assert not folder.exists()
