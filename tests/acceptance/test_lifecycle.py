"""The service starts, stops, dies and comes back as an operator expects."""

import os
import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sociallive.analytics.v1.track_pb2 import EventStatus
from storage.postgres.existing import COMMAND_WAIT_S
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


def test_starts_again_after_kill_9_of_the_parent(made_data_dir: Path) -> None:
    """The children notice that their parent is gone and end; the next start on the same port and data serves."""
    with Service(made_data_dir) as service:
        service.stub.Track(track(), timeout=5)
        service.kill()
        service.start()
        assert service.count_events() == 1
        eventually("only the new service's worker is left", lambda: len(service.pids(WORKER)) == 1)


def test_leaves_no_orphan_after_kill_9_of_the_parent(made_data_dir: Path) -> None:
    """Worker, jobs and Postgres end by themselves."""
    with Service(made_data_dir) as service:
        service.kill()
        eventually("every process is gone", lambda: processes_of(made_data_dir) == [], timeout_s=15)


@pytest.mark.parametrize("role", ["worker", "postgres"])
def test_serves_again_by_itself_after_kill_9_of_a_child(made_data_dir: Path, role: str) -> None:
    """A worker or Postgres that is killed comes back within 10 seconds, with everything acknowledged."""
    with Service(made_data_dir) as service:
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
    """A second service on the port of a running one is refused, although the kernel would allow it, and told why."""
    second = Service(data_dir, port=service.port).spawn()
    assert second.wait(20) == 3
    assert "another instance of this service runs there (SERVING)" in second.output()
    assert service.health() == "SERVING"


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1"])
def test_says_that_the_host_is_not_ours(data_dir: Path, host: str) -> None:
    """An unknown host and somebody else's address are the fault of one variable, and nothing is to be stopped."""
    service = Service(data_dir, ANALYTICS_HOST=host).spawn()
    assert service.wait(20) == 2
    assert f"cannot listen on {host}: " in service.output()
    assert "ANALYTICS_HOST" in service.output()
    assert "stop the program that listens" not in service.output()


def test_prints_what_can_be_used_as_it_is_printed(made_data_dir: Path) -> None:
    """Where it listens everywhere, the banner tells an address that can be called, and the health command works."""
    everywhere = "0.0.0.0"  # noqa: S104 - as in a container
    with Service(made_data_dir, ANALYTICS_HOST=everywhere, ANALYTICS_AUTH="off", ANALYTICS_TLS="upstream") as service:
        (line,) = (line for line in service.output().splitlines() if line.startswith("  health "))
        assert service.address in line
        run = subprocess.run(line.split()[1:], capture_output=True, text=True, timeout=30, check=False)
        assert (run.returncode, run.stdout) == (0, f"service at {service.address}: SERVING\n"), run.stderr


def test_names_every_variable_that_it_cannot_use(data_dir: Path) -> None:
    """All bad variables stand in one message; the exit code is that of wrong usage."""
    service = Service(data_dir, ANALYTICS_WORKERS="many", ANALYTICS_BATCH_SIZE="0", DATABASE_URL="mysql://x").spawn()
    assert service.wait(20) == 2
    for variable in ("ANALYTICS_WORKERS", "ANALYTICS_BATCH_SIZE", "DATABASE_URL"):
        assert variable in service.output()


@pytest.mark.finding(22)
@pytest.mark.parametrize("command", ["up", "serve", "gateway", "jobs", "migrate"])
def test_settings_are_checked_as_a_whole_before_anything_starts(data_dir: Path, command: str) -> None:
    """Cron lines, misspelt names and contradictions stand in one message, and nothing is made."""
    service = Service(
        data_dir,
        command=command,
        ANALYTICS_RETENTION_CRON="61 * * * *",
        ANALYTICS_RETENTON_RAW_DAYS="400",
        ANALYTICS_RETENTION_RAW_DAYS="90",
        ANALYTICS_RETENTION_HOURLY_DAYS="30",
        ANALYTICS_WORKERS="many",
    ).spawn()
    assert service.wait(20) == 2
    (line,) = service.output().splitlines()
    assert line.startswith("analytics: invalid environment variables: ")
    assert "ANALYTICS_RETENTION_CRON must be five cron fields" in line
    assert "ANALYTICS_RETENTON_RAW_DAYS is not a setting; did you mean ANALYTICS_RETENTION_RAW_DAYS?" in line
    assert "ANALYTICS_RETENTION_HOURLY_DAYS must be 90 or more" in line
    assert "ANALYTICS_WORKERS must be a whole number" in line
    assert not data_dir.exists()


@pytest.mark.finding(20)
def test_a_worker_that_cannot_be_started_just_now_is_started_later(made_data_dir: Path) -> None:
    """The parent has no file descriptor left, as at a limit of processes: it goes on, and tries again."""
    with Service(made_data_dir) as service:
        assert service.process is not None
        limits = resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
        (victim,) = service.pids(WORKER)
        os.kill(victim, signal.SIGKILL)
        eventually("two attempts fail", lambda: service.output().count('"because":"not_started"') >= 2)
        assert '"detail":"EMFILE"' in service.output()
        resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE, limits)
        eventually("it serves again", lambda: service.health() == "SERVING")
        assert service.stop() == 0
    assert processes_of(made_data_dir) == []


def test_waits_for_a_database_that_is_away_and_never_prints_its_password(data_dir: Path) -> None:
    """It says that the database is away, tries again, and stops at once when asked to."""
    port = free_port()
    service = Service(data_dir, DATABASE_URL=f"postgresql://user:secret-word@127.0.0.1:{port}/db").spawn()
    try:
        eventually("two attempts are logged", lambda: service.output().count("database_away") >= 2)
        assert f"127.0.0.1:{port}" in service.output()
        assert '"error":"Connection refused","trying_again_within_s":' in service.output()
        assert service.process is not None
        assert service.process.poll() is None
    finally:
        assert service.stop() == 0
    assert "secret-word" not in service.output()


def test_two_services_start_at_once_on_one_database(data_dir: Path, database_url: str) -> None:
    """Both migrate and serve; what one stores the other reads."""
    first, second = (
        Service(data_dir / name, DATABASE_URL=database_url, ANALYTICS_IP_HASH_KEY="a secret of both services")
        for name in ("1", "2")
    )
    (data_dir / "1").mkdir(parents=True)
    (data_dir / "2").mkdir(parents=True)
    with first, second:
        first.stub.Track(track(), timeout=5)
        assert second.count_events() == 1


def test_a_service_takes_the_embedded_postgres_over_from_one_that_stops(made_data_dir: Path) -> None:
    """Two services share a data directory; when the one that runs Postgres stops, the other goes on with it."""
    borrower_log = made_data_dir.parent / "borrower.log"
    with Service(made_data_dir) as owner:
        assert "shared with another service" not in owner.output()
        owner.stub.Track(track(), timeout=5)
        borrower = Service(made_data_dir)
        borrower.log = borrower_log
        with borrower:
            assert "shared with another service" in borrower.output()
            borrower.stub.Track(track(), timeout=5)
            assert owner.stop() == 0
            eventually("it says so", lambda: "postgres_taken_over" in borrower.output())
            eventually("it reads all events", lambda: borrower.count_events() == 2)
            eventually("health says so", lambda: borrower.health() == "SERVING")
            assert borrower.stub.Track(track(), timeout=5).status == EventStatus.EVENT_STATUS_STORED
            os.kill(borrower.postmaster, signal.SIGKILL)
            eventually("it keeps it running", lambda: "postgres_restarted" in borrower.output())
            eventually("it reads all events again", lambda: borrower.count_events() == 3)
            assert borrower.stop() == 0
    assert processes_of(made_data_dir) == []


@pytest.mark.parametrize(
    ("arguments", "limit_s"), [(("migrate",), 2.0), (("ingest", "stats"), COMMAND_WAIT_S)], ids=["migrate", "stats"]
)
def test_a_command_does_not_wait_for_ever_for_a_database(
    tmp_path: Path, arguments: tuple[str, ...], limit_s: float
) -> None:
    """It ends with code 3 and says which database was away, how long, and why."""
    where = f"127.0.0.1:{free_port()}/db"
    program = f"from cli import main; from cli.run import migrate; migrate.WAIT_S = {limit_s}; main.main()"
    run = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={
            **os.environ,
            "DATABASE_URL": f"postgresql://user:secret-word@{where}",
            "ANALYTICS_DATA_DIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        timeout=limit_s + 20,
        check=False,
    )
    assert run.returncode == 3
    last = run.stderr.splitlines()[-1]
    assert last == f"analytics: the database {where} has been away for {limit_s:g} s: Connection refused"
    assert "secret-word" not in run.stdout + run.stderr


def test_migrate_names_the_database_that_it_made(data_dir: Path) -> None:
    """An operator who ran it in the wrong folder sees where the new database is."""
    run = subprocess.run(
        [sys.executable, "-m", "cli", "migrate"],
        env={**os.environ, "ANALYTICS_DATA_DIR": str(data_dir)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert run.stdout.startswith(f"The embedded Postgres in {data_dir.resolve()} went from empty to ")


def test_migrate_reports_and_is_harmless_beside_a_running_service(service: Service) -> None:
    """`analytics migrate` attaches to the running database and finds nothing to do."""
    run = subprocess.run(
        [sys.executable, "-m", "cli", "migrate", "--json"],
        env={**os.environ, "ANALYTICS_DATA_DIR": str(service.data_dir)},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert '"from":"' in run.stdout
    assert service.health() == "SERVING"
