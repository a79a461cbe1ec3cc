"""A running service: started as an operator would, on its own data directory and port, and killed for real."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from sociallive.analytics.v1.admin_service_pb2_grpc import AdminServiceStub
from sociallive.analytics.v1.analytics_service_pb2_grpc import AnalyticsServiceStub
from sociallive.analytics.v1.dashboard_pb2 import GetDashboardRequest
from storage.embedded.places import PidFile, socket_url

WORKER = "cli\0worker\0"
"""What the command line of a worker holds; Postgres has processes that it calls workers, too."""
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0


_held_ports: list[socket.socket] = []


def free_port() -> int:
    """Ask the kernel for a port, and keep it from everybody else who asks until this process ends.

    A socket stays bound to it and does not listen: calls are refused there until a server listens, which may be any
    that sets SO_REUSEADDR or SO_REUSEPORT, as all of ours do.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.bind(("127.0.0.1", 0))
    _held_ports.append(held)
    port: int = held.getsockname()[1]
    return port


def eventually(what: str, check: object, *, timeout_s: float = 20.0) -> None:
    """Wait until the callable `check` answers true; fail with `what` when it does not in time."""
    assert callable(check)
    deadline = time.monotonic() + timeout_s
    while not check():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.05)


def processes_of(data_dir: Path) -> list[int]:
    """List the processes that name the data directory in their command line or environment, or work inside it."""
    needle = str(data_dir).encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            traces = (
                (entry / "cmdline").read_bytes(),
                (entry / "environ").read_bytes(),
                str((entry / "cwd").readlink()).encode(),
            )
        except OSError:  # it has just ended
            continue
        if any(needle in trace for trace in traces):
            found.append(int(entry.name))
    return found


def health_stub(channel: grpc.Channel) -> Any:
    """Make a stub of the standard health service; its published types lack the methods."""
    return health_pb2_grpc.HealthStub(channel)


def program(name: str) -> str:
    """Find a Go program that `make tools` installs, or skip and say why."""
    path = shutil.which(name, path=f"{Path.cwd() / '.tools' / 'bin'}:{os.environ['PATH']}")
    if path is None:
        pytest.skip(f"{name} is not installed here: `make tools` installs it")
    return path


class Service:
    """`analytics up` (or another command) in a process of its own.

    Args of the constructor:
        data_dir: its data directory; its log is written beside it.
        command: what to run.
        port: of its gRPC server; a free one where missing.
        first: statements for its process before the command, such as one that shortens a wait.
        environment: variables beside those that every test needs.
    """

    def __init__(
        self, data_dir: Path, *, command: str = "up", port: int | None = None, first: str = "", **environment: str
    ) -> None:
        self.data_dir = data_dir
        self.port = port or free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.admin_port = free_port()
        self.admin_address = f"127.0.0.1:{self.admin_port}"
        self.log = data_dir.parent / f"{data_dir.name}.log"
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("ANALYTICS_", "DATABASE_URL"))}
        self.environment = {
            **inherited,
            "ANALYTICS_DATA_DIR": str(data_dir),
            "GRPC_PORT": str(self.port),
            "ANALYTICS_ADMIN_PORT": str(self.admin_port),
            "ANALYTICS_METRICS_PORT": "0",
            "ANALYTICS_GATEWAY": "off",
            "ANALYTICS_LOG_LEVEL": "info",
            **environment,
        }
        program = ["-c", f"{first}\nfrom cli.main import main\nmain()"] if first else ["-m", "cli"]
        self.arguments = [sys.executable, *program, command]
        self._channel: grpc.Channel | None = None
        self._admin_channel: grpc.Channel | None = None
        self.process: subprocess.Popen[bytes] | None = None

    def spawn(self) -> Self:
        """Start the process and do not wait for it."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.arguments, env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        return self

    def start(self) -> Self:
        """Start the process and wait until it serves."""
        marker = self.output().count("is serving")
        self.spawn()
        process = self.process
        assert process is not None
        deadline = time.monotonic() + START_TIMEOUT_S
        while self.output().count("is serving") == marker:
            assert process.poll() is None, f"ended with {process.returncode}:\n{self.output()[-3000:]}"
            assert time.monotonic() < deadline, f"does not serve:\n{self.output()[-3000:]}"
            time.sleep(0.05)
        return self

    def output(self) -> str:
        """Read everything it has printed and logged so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def wait(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Wait for the process to end by itself and return its exit code."""
        assert self.process is not None
        return self.process.wait(timeout_s)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop it as an operator would and return its exit code; fail when it takes longer than promised."""
        self.close_channel()
        assert self.process is not None
        self.process.send_signal(number)
        return self.wait()

    def kill(self) -> None:
        """Kill -9 the parent process."""
        self.close_channel()
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def pids(self, role: str) -> list[int]:
        """List this service's processes whose command line holds `role`, for example WORKER."""
        found = []
        for pid in processes_of(self.data_dir):
            try:
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:  # it has just ended
                continue
            if role.encode() in command:
                found.append(pid)
        return found

    @property
    def postmaster(self) -> int:
        """The process id of the embedded Postgres itself."""
        return int((self.data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0])

    @property
    def database_url(self) -> str:
        """Where the embedded Postgres that it runs is found."""
        running = PidFile.read(self.data_dir / "postgres")
        assert running is not None
        return socket_url(running.socket_folder)

    def count_events(self) -> int:
        """Ask the dashboard how many events there are; -1 where it does not answer."""
        try:
            return int(self.stub.GetDashboard(GetDashboardRequest(), timeout=5).events)
        except grpc.RpcError:
            return -1

    @property
    def channel(self) -> grpc.Channel:
        """One channel to the service, made when first asked for."""
        if self._channel is None:
            self._channel = grpc.insecure_channel(
                self.address, options=[("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
            )
        return self._channel

    @property
    def stub(self) -> Any:
        """The analytics service's stub; generated stubs have no types."""
        return AnalyticsServiceStub(self.channel)  # type: ignore[no-untyped-call]

    @property
    def admin_channel(self) -> grpc.Channel:
        """One channel to the admin port, made when first asked for."""
        if self._admin_channel is None:
            options = [("grpc.use_local_subchannel_pool", 1)]
            self._admin_channel = grpc.insecure_channel(self.admin_address, options=options)
        return self._admin_channel

    @property
    def admin_stub(self) -> Any:
        """The admin service's stub."""
        return AdminServiceStub(self.admin_channel)  # type: ignore[no-untyped-call]

    def health(self, name: str = "") -> str:
        """Ask the standard health service; "UNREACHABLE" where nobody answers."""
        with grpc.insecure_channel(self.address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            try:
                answer = health_stub(channel).Check(health_pb2.HealthCheckRequest(service=name), timeout=2)
            except grpc.RpcError:
                return "UNREACHABLE"
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))

    def close_channel(self) -> None:
        """Close the channel, so that the next call connects anew."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._admin_channel is not None:
            self._admin_channel.close()
            self._admin_channel = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close_channel()
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_TIMEOUT_S + 5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for pid in processes_of(self.data_dir):
            os.kill(pid, signal.SIGKILL)


def totals(service: Service, **environment: str) -> dict[str, int]:
    """Ask `analytics ingest stats` for the totals of all time, and see that they add up."""
    run = subprocess.run(
        [sys.executable, "-m", "cli", "ingest", "stats", "--hours", "0", "--json"],
        env={**os.environ, "ANALYTICS_DATA_DIR": str(service.data_dir), **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    answer: dict[str, Any] = json.loads(run.stdout)
    for counts in (*answer["hours"], answer["total"]):
        parts = ("stored", "duplicates", "rejected", "spooled", "set_aside")
        assert counts["received"] == sum(counts[part] for part in parts)
    return {name: int(count) for name, count in answer["total"].items()}


def scrape(port: int) -> dict[str, float]:
    """Read the metrics as Prometheus does."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


@contextmanager
def fails_with(code: grpc.StatusCode) -> Iterator[list[Any]]:
    """Expect an RPC error of this code; the list holds it afterwards."""
    caught: list[Any] = []
    try:
        yield caught
    except grpc.RpcError as exc:
        assert exc.code() is code, f"{exc.code()}: {exc.details()}"  # noqa: PT017 - the list is what tests go on with
        caught.append(exc)
    assert caught, f"no error, where {code} was expected"
