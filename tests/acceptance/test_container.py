"""What the image and the composition promise, run without Docker: health, layers, and passwords of all kinds."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest
import yaml

from sociallive.analytics.v1.track_pb2 import EventStatus
from storage.embedded import EmbeddedPostgres
from tests.acceptance.running import Service, eventually
from tests.acceptance.samples import track
from tests.acceptance.test_outage import frozen_postgres

DOCKERFILE = Path("Dockerfile").read_text()
PASSWORD = "p@ss/w#r?d%20 :$&"  # noqa: S105 - of a test's own database
ROOMS = ("events", "gateway", "generated", "jobs", "runtime", "server", "storage")


def run_health(command: list[str], service: Service) -> int:
    """Run a health check's command inside the environment of a service, and return its exit code."""
    assert command[0] == "analytics"
    return subprocess.run(
        [sys.executable, "-m", "cli", *command[1:]], env=service.environment, timeout=30, check=False
    ).returncode


def built_steps() -> list[str]:
    """List the steps that build the image: those of the Dockerfile's first stage."""
    first = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1]
    return [line for line in first.splitlines() if line.startswith(("COPY", "RUN"))]


@pytest.mark.slow
@pytest.mark.finding(28)
def test_the_image_is_healthy_as_long_as_events_are_taken(made_data_dir: Path) -> None:
    """Servers whose database is away are needed most: nobody is to restart them."""
    found = re.search(r"^HEALTHCHECK .*CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert found is not None
    command = json.loads(found[1])
    with Service(made_data_dir) as service:
        assert run_health(command, service) == 0
        with frozen_postgres(service):
            eventually("storage is told gone", lambda: service.health("storage") == "NOT_SERVING")
            assert service.stub.Track(track(), timeout=15).status == EventStatus.EVENT_STATUS_SPOOLED
            assert run_health(["analytics", "health"], service) == 1
            assert run_health(command, service) == 0
    assert run_health(command, service) == 3


@pytest.mark.finding(28)
def test_every_health_check_of_the_composition_asks_for_ingest() -> None:
    """Also that of the gateway."""
    services = yaml.safe_load(Path("deploy/compose.yaml").read_text())["services"]
    checks = [one["healthcheck"]["test"] for one in services.values() if "analytics" in str(one.get("healthcheck"))]
    ours = [check for check in checks if "pg_isready" not in check]
    assert ours
    assert all(check[1:5] == ["analytics", "health", "--service", "ingest"] for check in ours)


@pytest.mark.finding(28)
def test_an_edit_of_the_source_installs_no_dependency_again(tmp_path: Path) -> None:
    """Dependencies are installed before anything but the lock file is there, and `make` does not do so twice."""
    steps = built_steps()
    installs = steps.index("RUN make .venv/.packages")
    before = {name for step in steps[:installs] if step.startswith("COPY") for name in step.split()[1:-1]}
    assert before == {"Makefile", "requirements.lock"}
    assert [f"COPY {room} {room}" for room in ROOMS] == [s for s in steps[installs:] if s.split()[1] in ROOMS]
    # The client is built with the service, which needs it.
    assert "COPY clients/python clients/python" in steps[installs:]
    (tmp_path / "clients" / "python").mkdir(parents=True)
    for name in ("Makefile", "requirements.lock", "pyproject.toml", "clients/python/pyproject.toml"):
        shutil.copy(name, tmp_path / name)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").touch()

    def planned() -> str:
        run = subprocess.run(["make", "-n", ".venv/.runtime"], cwd=tmp_path, capture_output=True, text=True, check=True)
        return run.stdout

    assert "-r requirements.lock" in planned()
    (tmp_path / ".venv" / ".packages").touch()
    assert "-r requirements.lock" not in planned()
    assert "--editable ." in planned()


@pytest.mark.finding(28)
@pytest.mark.parametrize("way", ["PGPASSWORD", "URL"])
def test_a_password_may_hold_special_characters(made_data_dir: Path, way: str) -> None:
    """Beside the URL, as the composition hands it over, or percent-encoded in it; a wrong one is refused."""
    with EmbeddedPostgres(made_data_dir) as postgres:
        access = made_data_dir / "postgres" / "pg_hba.conf"
        access.write_text(f"local all keyed scram-sha-256\n{access.read_text()}")
        asyncio.run(_make_role(postgres.url))
        parts = postgres.url.partition("postgres@")
        for password, code in ((PASSWORD, 0), (f"not {PASSWORD}", 3)):
            user = "keyed" if way == "PGPASSWORD" else f"keyed:{quote(password, safe='')}"
            run = subprocess.run(
                [sys.executable, "-m", "cli", "migrate"],
                env={
                    **{name: text for name, text in os.environ.items() if not name.startswith("ANALYTICS_")},
                    "DATABASE_URL": f"{parts[0]}{user}@{parts[2]}",
                    **({"PGPASSWORD": password} if way == "PGPASSWORD" else {}),
                },
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert run.returncode == code, run.stderr
            assert PASSWORD not in run.stdout + run.stderr


async def _make_role(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"CREATE ROLE keyed SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
        await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close()
