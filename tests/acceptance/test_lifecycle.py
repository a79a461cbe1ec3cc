"""The service starts, stops, dies and comes back as an operator expects."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sociallive.analytics.v1.track_pb2 import EventStatus
from tests.acceptance.running import WORKER, Service, eventually, free_port, processes_of
from tests.acceptance.samples import track


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_stops_within_10_seconds_and_leaves_nothing_behind(data_dir: Path, number: signal.Signals) -> None:
    """It prints its addresses when it serves, ends with code 0, and no process of it is left."""
    with Service(data_dir) as service:
        assert service.address in service.output()
        assert processes_of(data_dir)
        assert service.stop(number) == 0
        assert processes_of(data_dir) == []


def test_starts_again_after_kill_9_of_the_parent(data_dir: Path) -> None:
    """The children notice that their parent is gone and end; the next start on the same port and data serves."""
    with Service(data_dir) as service:
        service.stub.Track(track(), timeout=5)
        service.kill()
        service.start()
        assert service.count_events() == 1
        eventually("only the new service's worker is left", lambda: len(service.pids(WORKER)) == 1)


def test_leaves_no_orphan_after_kill_9_of_the_parent(data_dir: Path) -> None:
    """Worker, jobs and Postgres end by themselves."""
    with Service(data_dir) as service:
        service.kill()
        eventually("every process is gone", lambda: processes_of(data_dir) == [], timeout_s=15)


@pytest.mark.parametrize("role", ["worker", "postgres"])
def test_serves_again_by_itself_after_kill_9_of_a_child(data_dir: Path, role: str) -> None:
    """A worker or Postgres that is killed comes back within 10 seconds, with everything acknowledged."""
    with Service(data_dir) as service:
        assert service.stub.Track(track(), timeout=5).status == EventStatus.EVENT_STATUS_STORED
        (victim,) = [service.postmaster] if role == "postgres" else service.pids(WORKER)
        os.kill(victim, signal.SIGKILL)
        service.close_channel()
        eventually("the event is read", lambda: service.count_events() == 1, timeout_s=10)
        eventually("health says so", lambda: service.health() == "SERVING", timeout_s=10)
        assert service.stub.Track(track(), timeout=5).status == EventStatus.EVENT_STATUS_STORED
        assert (service.postmaster if role == "postgres" else service.pids(WORKER)[0]) != victim


def test_says_that_the_port_is_taken(data_dir: Path) -> None:
    """It names the address and the variable, and ends with code 3 before it starts anything."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        service = Service(data_dir, port=port).spawn()
        assert service.wait(20) == 3
    assert f"127.0.0.1:{port}" in service.output()
    assert "GRPC_PORT" in service.output()
    assert not (data_dir / "postgres").exists()


def test_refuses_to_share_the_port_with_another_instance(service: Service, data_dir: Path) -> None:
    """A second service on the port of a running one is refused, although the kernel would allow it."""
    second = Service(data_dir, port=service.port).spawn()
    assert second.wait(20) == 3
    assert service.health() == "SERVING"


def test_names_every_variable_that_it_cannot_use(data_dir: Path) -> None:
    """All bad variables stand in one message; the exit code is that of wrong usage."""
    service = Service(data_dir, ANALYTICS_WORKERS="many", ANALYTICS_BATCH_SIZE="0", DATABASE_URL="mysql://x").spawn()
    assert service.wait(20) == 2
    for variable in ("ANALYTICS_WORKERS", "ANALYTICS_BATCH_SIZE", "DATABASE_URL"):
        assert variable in service.output()


def test_waits_for_a_database_that_is_away_and_never_prints_its_password(data_dir: Path) -> None:
    """It says that the database is away, tries again, and stops at once when asked to."""
    port = free_port()
    service = Service(data_dir, DATABASE_URL=f"postgresql://user:secret-word@127.0.0.1:{port}/db").spawn()
    try:
        eventually("two attempts are logged", lambda: service.output().count("database_away") >= 2)
        assert f"127.0.0.1:{port}" in service.output()
        assert service.process is not None
        assert service.process.poll() is None
    finally:
        assert service.stop() == 0
    assert "secret-word" not in service.output()


def test_two_services_start_at_once_on_one_database(data_dir: Path, database_url: str) -> None:
    """Both migrate and serve; what one stores the other reads."""
    first = Service(data_dir / "1", DATABASE_URL=database_url)
    second = Service(data_dir / "2", DATABASE_URL=database_url)
    (data_dir / "1").mkdir(parents=True)
    (data_dir / "2").mkdir(parents=True)
    with first, second:
        first.stub.Track(track(), timeout=5)
        assert second.count_events() == 1


def test_migrate_reports_and_is_harmless_beside_a_running_service(service: Service) -> None:
    """`analytics migrate` attaches to the running database and finds nothing to do."""
    run = subprocess.run(
        [sys.executable, "-m", "server", "migrate", "--json"],
        env={**os.environ, "ANALYTICS_DATA_DIR": str(service.data_dir)},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert '"from":"' in run.stdout
    assert service.health() == "SERVING"
