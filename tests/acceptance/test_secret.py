"""All services of a database have one secret; one with another secret does not start."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from server.secrets import ServiceSecret
from sociallive.analytics.v1.track_pb2 import EventStatus
from tests.acceptance.running import WORKER, Service, eventually
from tests.acceptance.samples import track

EXIT_USAGE = 2
EXIT_REFUSED = 3


def run(data_dir: Path, database_url: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `analytics secret` on the database."""
    return subprocess.run(
        [sys.executable, "-m", "cli", "secret", *arguments],
        env={**os.environ, "ANALYTICS_DATA_DIR": str(data_dir), "DATABASE_URL": database_url, **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


async def read_record(database_url: str) -> asyncpg.Record:
    """Read all that the database keeps of the secret."""
    connection = await asyncpg.connect(database_url)
    try:
        (row,) = await connection.fetch("SELECT * FROM analytics_service_secret")
        return row
    finally:
        await connection.close()


def refused(data_dir: Path, database_url: str, key: str = "", *, code: int = EXIT_USAGE) -> str:
    """Start a service that must not start, and return what it says last."""
    with_other = Service(data_dir, command="serve", DATABASE_URL=database_url, ANALYTICS_IP_HASH_KEY=key).spawn()
    assert with_other.wait(30) == code
    return with_other.output().splitlines()[-1]


@pytest.mark.slow
@pytest.mark.finding(25)
async def test_a_service_with_another_secret_refuses_to_start(database_url: str, tmp_path: Path) -> None:
    """It names where it looked and what to do; with the same secret it starts, from the file or the variable."""
    first, second = tmp_path / "first", tmp_path / "second"
    with Service(first, command="serve", DATABASE_URL=database_url) as service:
        text = (first / "secret.key").read_text()
        said = refused(second, database_url)
        assert f"neither ANALYTICS_IP_HASH_KEY nor {second}/secret.key holds one" in said
        assert "copy secret.key" in said
        assert not (second / "secret.key").exists(), "nothing is generated that would have to be removed again"
        said = refused(second, database_url, "another key of somebody")
        assert "the secret in ANALYTICS_IP_HASH_KEY is not the one" in said
        second.mkdir(exist_ok=True)
        (second / "secret.key").write_text("f" * 64)
        assert f"the secret in {second}/secret.key is not the one" in refused(second, database_url)
        assert service.stop() == 0
    with Service(second, command="serve", DATABASE_URL=database_url, ANALYTICS_IP_HASH_KEY=text) as service:
        assert service.stop() == 0
    (second / "secret.key").write_text(text)
    with Service(second, command="serve", DATABASE_URL=database_url) as service:
        assert service.stop() == 0
    record = await read_record(database_url)
    assert text not in str(dict(record))
    secret = ServiceSecret(text, "")
    assert record["check_value"] not in {secret.derive_key("client address"), secret.derive_key("page token")}


@pytest.mark.slow
@pytest.mark.finding(25)
async def test_a_secret_is_replaced_on_purpose(database_url: str, tmp_path: Path) -> None:
    """By a command that asks first and is audited; then the old secret is the wrong one."""
    old, new = tmp_path / "old", tmp_path / "new"
    with Service(old, command="serve", DATABASE_URL=database_url) as service:
        assert service.stop() == 0
    assert run(old, database_url, "check").returncode == 0
    assert run(new, database_url, "check").returncode == EXIT_USAGE
    declined = run(new, database_url, "replace")
    assert (declined.returncode, run(old, database_url, "check").returncode) == (1, 0)
    replaced = run(new, database_url, "replace", "--yes")
    assert (replaced.returncode, f"{new}/secret.key" in replaced.stdout) == (0, True), replaced.stderr
    assert run(new, database_url, "check").returncode == 0
    assert run(old, database_url, "check").returncode == EXIT_USAGE
    assert "is not the one" in refused(old, database_url)
    # The new one makes other pseudonyms of the same actors, so that nobody could be counted across the change.
    said = refused(new, database_url, code=EXIT_REFUSED)
    assert f"the key of actor pseudonyms, read from {new}/secret.key, is not the one" in said
    assert "restore that file or variable from a backup, or run `analytics segments rekey`" in said
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch("SELECT actor, outcome FROM analytics_audit_log WHERE action = 'secret replace'")
    await connection.close()
    assert [(row["actor"].partition("@")[0] != "", row["outcome"]) for row in rows] == [(True, "done")]


def test_a_worker_that_is_started_again_keeps_the_secret_that_was_checked(made_data_dir: Path) -> None:
    """Also where its file was removed meanwhile: it does not generate another one."""
    with Service(made_data_dir, ANALYTICS_WORKERS="1") as service:
        (made_data_dir / "secret.key").unlink()
        (worker,) = service.pids(WORKER)
        os.kill(worker, signal.SIGKILL)
        eventually("another worker serves", lambda: service.pids(WORKER) not in ([], [worker]))
        eventually("it takes events", lambda: service.health("ingest") == "SERVING")
        assert service.stub.Track(track(), timeout=10).status == EventStatus.EVENT_STATUS_STORED
        assert not (made_data_dir / "secret.key").exists()
