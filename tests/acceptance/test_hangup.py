"""Terminals are closed, readers of the log go away, parents are killed: nothing is left, and the next start works."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import permutations
from pathlib import Path

import grpc
import pytest

from sociallive.analytics.v1.dashboard_pb2 import GetDashboardRequest
from sociallive.analytics.v1.funnel_pb2 import GetFunnelRequest
from sociallive.analytics.v1.track_pb2 import EventStatus
from tests.acceptance.running import (
    START_TIMEOUT_S,
    WORKER,
    Service,
    eventually,
    fails_with,
    free_port,
    processes_of,
)
from tests.acceptance.samples import track
from tests.acceptance.terminal import Terminal
from tests.gateway.http import call
from tests.gateway.running import ENVOY, need_envoy

GONE_S = 12.0
"""Twice what workers and jobs may take to drain, and what Postgres takes to stop."""
PARENT = "cli\0up"
GATEWAY = "cli\0gateway"
JOBS = "cli\0jobs"
LOG_READER = "cat\0"
PIPE_BYTES = 65_536


def complete_service(data_dir: Path, *, log_level: str = "info") -> Service:
    """Name a service with its gateway on a port of its own, two workers, and every part."""
    need_envoy()
    return Service(
        data_dir, ANALYTICS_GATEWAY="auto", PORT=str(free_port()), ANALYTICS_WORKERS="2", ANALYTICS_LOG_LEVEL=log_level
    )


def expect_serving(service: Service) -> None:
    """See that it answers over gRPC, reads its reports, and answers over REST."""
    assert service.stub.Track(track(), timeout=5).status == EventStatus.EVENT_STATUS_STORED
    assert service.stub.GetDashboard(GetDashboardRequest(), timeout=5).events > 0
    assert call(int(service.environment["PORT"]), "GET", "/events/health").status == 200
    service.close_channel()


def expect_nothing_left(service: Service) -> None:
    """See that every process ends, and that the same ports and data serve again."""
    eventually("every process is gone", lambda: processes_of(service.data_dir) == [], timeout_s=GONE_S)
    with service:
        expect_serving(service)
        assert service.stop() == 0
    assert processes_of(service.data_dir) == []


def kill(service: Service, *roles: str) -> None:
    """Kill -9 every process of these roles that still runs, without a pause in between."""
    for pid in [pid for role in roles for pid in service.pids(role)]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@contextmanager
def in_terminal(service: Service, shell: str = "") -> Iterator[Terminal]:
    """Run a service in a terminal, and wait until it serves."""
    with Terminal(service, shell=shell) as terminal:
        eventually("it serves", lambda: "is serving" in service.output(), timeout_s=START_TIMEOUT_S)
        expect_serving(service)
        yield terminal


@contextmanager
def piped(service: Service) -> Iterator[int]:
    """Run a service whose output goes into a pipe, and yield the end to read, once it serves."""
    ours, theirs = os.pipe()
    try:
        process = service.process = subprocess.Popen(
            service.arguments, env=service.environment, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs
        )
    finally:
        os.close(theirs)
    try:
        said = b""
        while b"is serving" not in said:
            said += os.read(ours, PIPE_BYTES) or pytest.fail(f"it has ended: {said[-2000:]!r}")
        expect_serving(service)
        yield ours
    finally:
        process.kill()
        process.wait()


@pytest.mark.finding(19)
@pytest.mark.parametrize(
    "shell", ["", pytest.param('"$@"; true', marks=pytest.mark.slow)], ids=["of the service", "of its shell"]
)
def test_closing_the_terminal_ends_everything(made_data_dir: Path, shell: str) -> None:
    """Workers, jobs, gateway, Envoy and Postgres are gone in seconds; the next start on the same ports serves."""
    service = complete_service(made_data_dir)
    with in_terminal(service, shell) as terminal:
        terminal.close()
        expect_nothing_left(service)


@pytest.mark.finding(19)
@pytest.mark.parametrize(
    ("roles", "is_closed_first"),
    [
        ((PARENT,), True),
        pytest.param((PARENT,), False, marks=pytest.mark.slow),
        pytest.param((PARENT, GATEWAY), True, marks=pytest.mark.slow),
        pytest.param((GATEWAY, PARENT, JOBS), False, marks=pytest.mark.slow),
        pytest.param((PARENT, GATEWAY, WORKER, JOBS), False, marks=pytest.mark.slow),
    ],
    ids=["hang-up, parent", "parent, hang-up", "hang-up, parent, gateway", "gateway, parent, jobs, hang-up", "all"],
)
def test_killed_processes_leave_nothing(made_data_dir: Path, roles: Sequence[str], *, is_closed_first: bool) -> None:
    """If one of them is killed with SIGKILL before or after the terminal is closed, the others end."""
    service = complete_service(made_data_dir)
    with in_terminal(service) as terminal:
        steps: list[Callable[[], None]] = [terminal.close, lambda: kill(service, *roles)]
        for step in steps if is_closed_first else reversed(steps):
            step()
        expect_nothing_left(service)


@pytest.mark.slow
@pytest.mark.finding(19)
@pytest.mark.parametrize("order", tuple(permutations(("terminal", "log reader", "parent"))), ids=", ".join)
def test_a_terminal_a_log_reader_and_a_parent_end_in_each_order(made_data_dir: Path, order: Sequence[str]) -> None:
    """The terminal is closed, and the others are killed with SIGKILL, one right after the other."""
    service = complete_service(made_data_dir)
    with in_terminal(service, '"$@" 2>&1 | cat') as terminal:
        assert service.pids(LOG_READER)
        ends: dict[str, Callable[[], None]] = {
            "terminal": terminal.close,
            "log reader": lambda: kill(service, LOG_READER),
            "parent": lambda: kill(service, PARENT),
        }
        for part in order:
            ends[part]()
        expect_nothing_left(service)


@pytest.mark.finding(19)
@pytest.mark.parametrize("ending", ["SIGTERM", pytest.param("SIGKILL", marks=pytest.mark.slow)])
def test_a_log_without_a_reader_fails_nothing(made_data_dir: Path, ending: str) -> None:
    """As below `| head`: events, reports, errors and REST are answered, and shutdown is as orderly as ever."""
    service = complete_service(made_data_dir, log_level="debug")
    with piped(service) as reader:
        os.close(reader)
        for _ in range(3):
            expect_serving(service)
        with fails_with(grpc.StatusCode.INVALID_ARGUMENT):
            service.stub.GetFunnel(GetFunnelRequest(), timeout=5)
        workers = service.pids(WORKER)
        os.kill(workers[0], signal.SIGKILL)
        eventually("the killed worker is replaced", lambda: len(set(service.pids(WORKER)) - {workers[0]}) == 2)
        (envoy,) = service.pids(ENVOY)
        os.kill(envoy, signal.SIGKILL)
        eventually("Envoy is replaced", lambda: service.pids(ENVOY) not in ([], [envoy]))
        eventually("REST is answered", lambda: _is_well(service))
        expect_serving(service)
        if ending == "SIGTERM":
            assert service.stop() == 0
        else:
            service.kill()
        expect_nothing_left(service)


@pytest.mark.slow
@pytest.mark.finding(19)
def test_a_log_that_nobody_reads_blocks_nothing(made_data_dir: Path) -> None:
    """As below a pager: the pipe is full, lines are lost, and the service goes on."""
    service = complete_service(made_data_dir, log_level="debug")
    with piped(service) as reader:
        for _ in range(PIPE_BYTES // 100):
            service.stub.Track(track(), timeout=5)
        expect_serving(service)
        assert service.stop() == 0
        os.close(reader)
    assert processes_of(service.data_dir) == []


@pytest.mark.finding(19)
def test_a_gateway_of_its_own_ends_with_its_terminal(data_dir: Path) -> None:
    """It does not take the hang-up for an order to replace Envoy."""
    need_envoy()
    gateway = Service(data_dir, command="gateway", PORT=str(free_port()), ANALYTICS_UPSTREAMS="127.0.0.1:1")
    data_dir.parent.mkdir(exist_ok=True)
    with Terminal(gateway) as terminal:
        eventually("it serves", lambda: "gateway_serving" in gateway.output())
        terminal.close()
        eventually("every process is gone", lambda: processes_of(data_dir) == [], timeout_s=GONE_S)


@pytest.mark.finding(19)
def test_nohup_outlives_the_terminal(made_data_dir: Path) -> None:
    """`nohup` ignores SIGHUP for the program that it starts, and the service leaves it at that."""
    service = complete_service(made_data_dir)
    with in_terminal(service, 'trap "" HUP; exec "$@"') as terminal:
        terminal.close()
        expect_serving(service)
        (parent,) = service.pids(PARENT)
        os.kill(parent, signal.SIGTERM)
        eventually("every process is gone", lambda: processes_of(service.data_dir) == [], timeout_s=GONE_S)


def _is_well(service: Service) -> bool:
    try:
        return call(int(service.environment["PORT"]), "GET", "/events/health").status == 200
    except OSError:
        return False
