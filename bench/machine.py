"""The machine a benchmark ran on, and the service it measures."""

import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

START_TIMEOUT_S = 60


def describe_machine() -> str:
    """Name the processor, its cores and the Python."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        )
        if Path("/proc/cpuinfo").exists()
        else iter(()),
        platform.processor(),
    )
    return f"{os.cpu_count()} x {model}, Python {platform.python_version()}"


def describe_load() -> str:
    """Return how many processes wanted a core of late: what to make of the figures."""
    return ", ".join(
        f"{load:.1f} {span}" for load, span in zip(os.getloadavg(), ("in 1 min", "in 5", "in 15"), strict=True)
    )


@dataclass(frozen=True, slots=True)
class RunningService:
    """A service under measurement."""

    address: str
    admin_address: str
    data_dir: Path

    def workers(self) -> list[int]:
        """List the process ids of the workers."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    environ, command = (entry / "environ").read_bytes(), (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                if str(self.data_dir).encode() in environ and b"\0worker\0" in command:
                    found.append(int(entry.name))
        return found

    def rss_mb(self) -> float:
        """Read what memory the largest worker holds, in MB of 10^6 bytes."""
        return self._memory_mb("VmRSS:")

    def peak_rss_mb(self) -> float:
        """Read the most memory that a worker held so far, in MB of 10^6 bytes."""
        return self._memory_mb("VmHWM:")

    def disk_mb(self) -> float:
        """Add up the files of the data directory, in MB of 10^6 bytes."""
        return sum(path.stat().st_size for path in self.data_dir.rglob("*") if path.is_file()) / 1e6

    def processor_s(self) -> float:
        """Add up the processor time of the workers and of Postgres, in seconds."""
        return sum(map(_processor_s, self.workers())) + postgres_s(self.data_dir)

    def _memory_mb(self, name: str) -> float:
        return max(
            int(line.split()[1]) * 1024 / 1e6
            for pid in self.workers()
            for line in Path(f"/proc/{pid}/status").read_text().splitlines()
            if line.startswith(name)
        )


def postgres_s(data_dir: Path) -> float:
    """Add up the processor time of an embedded Postgres, in seconds, ended processes included."""
    postmaster = int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])
    children = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    own = sum(_processor_s(pid) for pid in children if _parent_of(pid) == postmaster)
    return own + _processor_s(postmaster, with_ended=True)


def _parent_of(pid: int) -> int | None:
    fields = _statistics_of(pid)
    return int(fields[1]) if fields else None


def _processor_s(pid: int, *, with_ended: bool = False) -> float:
    """Read a process's time; `with_ended` adds that of its children that have ended. 0 where it is gone."""
    fields = _statistics_of(pid)
    return sum(map(int, fields[11 : 15 if with_ended else 13])) / os.sysconf("SC_CLK_TCK")


def _statistics_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


@contextmanager
def service(**environment: str) -> Iterator[RunningService]:
    """Run `analytics serve` with one worker on a fresh embedded Postgres, and remove it all afterwards."""
    with socket.socket() as probe, socket.socket() as second_probe:
        probe.bind(("127.0.0.1", 0))
        second_probe.bind(("127.0.0.1", 0))
        port, admin_port = probe.getsockname()[1], second_probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="analytics-bench-") as folder:
        data_dir = Path(folder, "data")
        variables = {
            **os.environ,
            "ANALYTICS_DATA_DIR": str(data_dir),
            "GRPC_PORT": str(port),
            "ANALYTICS_WORKERS": "1",
            "ANALYTICS_METRICS_PORT": "0",
            "ANALYTICS_LOG_LEVEL": "warning",
            "ANALYTICS_ADMIN_PORT": str(admin_port),
            **environment,
        }
        process = subprocess.Popen([sys.executable, "-m", "cli", "serve"], env=variables, stdout=subprocess.DEVNULL)
        try:
            address = f"127.0.0.1:{port}"
            _wait_until_serving(address, process)
            yield RunningService(address, f"127.0.0.1:{admin_port}", data_dir)
        finally:
            process.terminate()
            process.wait()


def _wait_until_serving(address: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        with grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            try:
                stub: Any = health_pb2_grpc.HealthStub(channel)  # its published types lack the methods
                stub.Check(health_pb2.HealthCheckRequest(), timeout=1)
            except grpc.RpcError:
                time.sleep(0.1)
            else:
                return
    raise SystemExit("the service does not start; its log is above")
