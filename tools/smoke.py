"""Shows that an installation works: imports every module, runs the service, sends an event and reads it back.

It needs the service and its extras alone, none of the tools of development, so that it can run on any set of versions.

make test-lowest
"""

import importlib
import os
import pkgutil
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distributions
from pathlib import Path

import grpc

from sociallive.analytics.v1.analytics_service_pb2_grpc import AnalyticsServiceStub
from sociallive.analytics.v1.dashboard_pb2 import GetDashboardRequest
from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.track_pb2 import EventStatus, TrackRequest
from sociallive.analytics.v1.view_event_pb2 import ViewEvent

ROOMS = ("cli", "events", "gateway", "jobs", "reports", "runtime", "server", "sociallive", "storage")
PROGRAMS = frozenset({"cli.__main__"})
"""Modules that do something when they are imported."""
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 30.0
CALL_TIMEOUT_S = 30.0
POLL_S = 0.1
LOG_LINES = 30
ADDRESS = re.compile(r"gRPC\W+(\S+:\d+)")
FILES = (("export", "--out", "events.parquet"), ("report", "dashboard", "--png", "dashboard.png"))
"""Commands that need an extra, each with the file that it writes."""


class SmokeError(Exception):
    """The installation does not work; the message says where."""


def main() -> int:
    """Run everything; return the exit code."""
    print(", ".join(sorted(f"{one.name} {one.version}" for one in distributions())))
    try:
        print(f"{import_everything()} modules imported")
        with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as address:
            send_and_read(address)
            for command in FILES:
                write_file(Path(folder), address, *command)
    except SmokeError as exc:
        print(f"smoke: {exc}", file=sys.stderr)
        return 1
    print("an event was sent, reported and exported")
    return 0


def import_everything() -> int:
    """Import every module of the service and count them."""
    names = list(ROOMS)
    for room in ROOMS:
        package = importlib.import_module(room)
        names += [module.name for module in pkgutil.walk_packages(package.__path__, f"{room}.")]
    # A migration's name is no name of a module: Alembic loads them, when the service starts.
    for name in names:
        if name not in PROGRAMS and ".versions." not in name:
            importlib.import_module(name)
    return len(names)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Run `analytics up` on a new database in `folder`, on free ports; yield HOST:PORT of its gRPC server.

    Raises:
        SmokeError: it does not start, or does not end well.
    """
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("ANALYTICS_") and k != "DATABASE_URL"}
    settings = {
        "GRPC_PORT": "0",
        "PORT": "0",
        "ANALYTICS_ADMIN_PORT": "0",
        "ANALYTICS_METRICS_PORT": "0",
        "ANALYTICS_WORKERS": "1",
    }
    log = folder / "service.log"
    with log.open("wb") as output:
        service = subprocess.Popen(
            [sys.executable, "-m", "cli", "up"],
            env={**inherited, **settings, "ANALYTICS_DATA_DIR": str(folder / "data")},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield _wait_for_address(service, log)
        service.terminate()
        if service.wait(STOP_TIMEOUT_S):
            raise SmokeError(f"the service ended with {service.returncode}:\n{_end_of(log)}")
    finally:
        service.kill()
        service.wait()


def send_and_read(address: str) -> None:
    """Send an event over gRPC, and see it in a report.

    Raises:
        SmokeError: it is not stored, or not reported.
    """
    with grpc.insecure_channel(address) as channel:
        stub = AnalyticsServiceStub(channel)  # type: ignore[no-untyped-call]
        event = Event(user_id="user-1", view=ViewEvent(content_type="post", content_id="post-1"))
        answer = stub.Track(TrackRequest(event=event), timeout=CALL_TIMEOUT_S)
        if answer.status != EventStatus.EVENT_STATUS_STORED:
            raise SmokeError(f"an event was not stored: {answer}")
        dashboard = stub.GetDashboard(GetDashboardRequest(), timeout=CALL_TIMEOUT_S)
        if dashboard.events != 1:
            raise SmokeError(f"a dashboard of one event reports {dashboard.events}")


def write_file(folder: Path, address: str, *command: str) -> None:
    """Run a command that writes a file.

    Raises:
        SmokeError: it fails, or the file is empty.
    """
    *words, name = command
    path = folder / name
    arguments = [sys.executable, "-m", "cli", *words, str(path), "--address", address]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=CALL_TIMEOUT_S)
    if done.returncode or not path.stat().st_size:
        raise SmokeError(f"`analytics {' '.join(command)}` ended with {done.returncode}:\n{done.stderr}")


def _wait_for_address(service: "subprocess.Popen[bytes]", log: Path) -> str:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s and service.poll() is None:
        text = log.read_text(errors="replace")
        if "is serving" in text and (found := ADDRESS.search(text)):
            return found[1]
        time.sleep(POLL_S)
    raise SmokeError(f"the service does not start:\n{_end_of(log)}")


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])


if __name__ == "__main__":
    sys.exit(main())
