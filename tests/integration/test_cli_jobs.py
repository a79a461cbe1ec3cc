"""`analytics jobs`, `audit` and `segments` as an operator uses and reads them."""

import asyncio
import json
import os
import pwd
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from click.testing import CliRunner, Result
from structlog.testing import capture_logs

from cli.main import cli
from jobs.schedule import JOBS
from storage.postgres.database import Database
from tests.rows import NOON, make_batch, make_row, make_store

NEXT_YEAR = "2027-03-10"


@pytest.fixture
def stored(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A database with three events of one day, named by DATABASE_URL."""

    async def store() -> None:
        database = await Database.open(database_url)
        store = make_store(database)
        await store.store(make_batch([make_row(), make_row(), make_row(timestamp=NOON + timedelta(hours=5))]))
        await store.close()
        await database.close()

    asyncio.run(store())
    for module in ("cli.operate.jobs", "cli.operate.audit", "cli.operate.segments"):
        # A command's logging is its process's; here it would outlive the command.
        monkeypatch.setattr(f"{module}.configure_logging", lambda **_: None)
    monkeypatch.setenv("DATABASE_URL", database_url)
    with capture_logs():
        yield database_url


def run(*arguments: str, code: int = 0) -> Result:
    """Run a command, and see that it ends with a code."""
    result = CliRunner(env={"COLUMNS": "200"}).invoke(cli, arguments)
    assert result.exit_code == code, result.output
    return result


def run_job(name: str, *arguments: str, code: int = 0) -> Any:
    """Run a job and read what it answers."""
    return json.loads(run("jobs", "run", name, *arguments, "--json", code=code).stdout)


def execute(database_url: str, statement: str) -> None:
    """Change something behind the service's back."""

    async def change() -> None:
        connection = await asyncpg.connect(database_url)
        await connection.execute(statement)
        await connection.close()

    asyncio.run(change())


@pytest.mark.usefixtures("stored")
def test_every_job_tells_what_it_would_do_and_leaves_it() -> None:
    """At any time that is given: the same answer twice, and no data changed."""
    for _ in range(2):
        for job in JOBS:
            answer = run_job(job.name, "--now", NEXT_YEAR, "--dry-run")
            assert (answer["job"], answer["dry_run"], answer["is_good"]) == (job.name, True, True)
    assert run_job("seal", "--dry-run") == {
        "job": "seal",
        "dry_run": True,
        "is_good": True,
        "range_start": "2026-03-10T12:00:00Z",
        "range_end": "2026-03-10T17:00:00.000001Z",
        "rows": 3,
        "bytes": 0,
        "details": {"blocks": 1},
    }
    outcomes = {entry["outcome"] for entry in map(json.loads, run("audit", "--json").stdout.splitlines())}
    assert outcomes == {"dry run"}
    run_job("seal")
    assert run_job("retention", "--dry-run", "--now", NEXT_YEAR)["details"]["raw events"]["rows"] == 3
    assert run_job("retention", "--dry-run", "--now", "2026-03-11")["rows"] == 0
    assert json.loads(run("segments", "list", "--json").stdout)["segments"][0]["rows"] == 3


@pytest.mark.usefixtures("stored")
def test_the_list_tells_how_each_job_fares() -> None:
    """Never run, done, failed with its reason, and when it is due."""
    fresh = {one["job"]: one for one in json.loads(run("jobs", "list", "--json").stdout)}
    assert list(fresh) == [job.name for job in JOBS]
    assert {one["last_run"] for one in fresh.values()} == {None}
    assert datetime.fromisoformat(fresh["retention"]["next_run"]).minute == 20
    assert fresh["verify"]["next_run"] is None
    assert (fresh["seal"]["cron"], fresh["seal"]["next_run"]) == ("always", None)
    run_job("seal")
    lines = run("jobs", "list").stdout.splitlines()
    (line,) = (line for line in lines if line.startswith("seal"))
    assert line.split()[1] == "always"
    assert f"{datetime.now(UTC):%Y-%m-%d}" in line
    assert " done " in line


def test_what_runs_all_the_time_is_listed_by_its_newest_run(stored: str) -> None:
    """Whether that was by itself or by hand."""
    run_job("seal")
    execute(
        stored,
        "INSERT INTO analytics_upkeep (job, runner, started_at, finished_at, reason, runs, failures, rows) "
        "VALUES ('seal', 'jobs-1@host', now() + interval '1 s', now() + interval '3 s', 'BLOCK_UNREADABLE', 0, 1, 0)",
    )
    (told,) = (one for one in json.loads(run("jobs", "list", "--json").stdout) if one["job"] == "seal")
    assert (told["result"], told["reason"], told["duration_s"]) == ("failed", "BLOCK_UNREADABLE", 2)


def test_an_operator_sees_a_failure_and_an_overdue_job(stored: str) -> None:
    """The reason stands beside the result; a tick that nobody ran is told as such."""
    execute(
        stored,
        "INSERT INTO analytics_audit_log "
        "(started_at, finished_at, actor, action, outcome, rows, bytes, details) "
        "VALUES (now(), now(), 'jobs-1@host', 'retention', 'failed', 0, 0, '{\"reason\": \"STORAGE_UNAVAILABLE\"}');"
        "INSERT INTO analytics_job_ticks VALUES ('retention', now() - interval '3 days', 'jobs-1@host')",
    )
    (line,) = (line for line in run("jobs", "list").stdout.splitlines() if line.startswith("retention"))
    assert "failed STORAGE_UNAVAILABLE" in line
    assert "overdue since" in line


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("seal", "--from", "2026-01-01"), "seal does not take --from and --to"),
        (("verify", "--from", "2026-02-01", "--to", "2026-01-01"), "--from must be before --to"),
        (("retention", "--now", "yesterday"), "'yesterday' is not a time"),
        (("cleanup",), "'cleanup' is not one of"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_runs(arguments: tuple[str, ...], told: str) -> None:
    """With exit code 2, and the reason."""
    assert told in run("jobs", "run", *arguments, code=2).stderr
    assert run("audit", "--json").stdout == ""


@pytest.mark.finding(31)
@pytest.mark.usefixtures("stored")
def test_a_run_by_hand_says_who_ran_it_and_with_which_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the user's name in the system, also where the environment has none."""
    monkeypatch.delenv("USER", raising=False)
    run("jobs", "run", "verify", "--from", "2026-03-10", "--dry-run")
    (entry,) = map(json.loads, run("audit", "--json").stdout.splitlines())
    assert entry["actor"] == f"{pwd.getpwuid(os.getuid()).pw_name}@{socket.gethostname()}"
    assert entry["details"]["pid"] == os.getpid()
    assert entry["details"]["arguments"] == {"from": "2026-03-10T00:00:00Z", "dry_run": True}
    listed = run("audit").stdout
    assert entry["actor"] in listed
    assert "from=2026-03-10" in listed


@pytest.mark.usefixtures("stored")
def test_segments_and_runs_are_listed_with_rows_and_bytes() -> None:
    """For people and for programs."""
    assert "3 events in 1 blocks wait to be sealed." in run("segments", "list").stdout
    run("jobs", "run", "seal")
    listed = json.loads(run("segments", "list", "--json").stdout)
    (segment,) = listed["segments"]
    assert (segment["level"], segment["rows"], segment["is_summarised"]) == (0, 3, False)
    assert segment["bytes"] > 1000
    assert (listed["blocks"]["count"], listed["blocks"]["oldest_stored_at"]) == (0, None)
    assert "2026-03-10 17:00:00" in run("segments", "list").stdout
    audit = run("audit").stdout
    assert "seal  " in audit
    (entry,) = map(json.loads, run("audit", "--json", "--action", "seal").stdout.splitlines())
    assert (entry["rows"], entry["details"]["blocks"]) == (3, 1)
    assert run("audit", "--json", "--action", "retention").stdout == ""


def test_every_byte_is_verified_and_damage_is_named(stored: str) -> None:
    """In a block, in a segment, and where bytes are missing; the exit code tells."""
    assert "1 segments and blocks checked, none is damaged." in run("segments", "verify").stdout
    flip = "UPDATE {0} SET data = set_byte(data, 60, get_byte(data, 60) # 16)"
    execute(stored, flip.format("analytics_blocks"))
    (damaged,) = json.loads(run("segments", "verify", "--json", code=1).stdout)["damaged"]
    assert (damaged["kind"], damaged["rows"]) == ("block", 3)
    execute(stored, flip.format("analytics_blocks"))
    run("jobs", "run", "seal")
    assert json.loads(run("segments", "verify", "--json").stdout) == {"checked": 1, "damaged": []}
    execute(stored, flip.format("analytics_segment_parts_0"))
    told = run("segments", "verify", code=1).stdout
    assert "its bytes are not those that were written" in told
    assert "1 damaged: restore the database from a backup" in told
    execute(stored, "TRUNCATE analytics_segment_parts_0")
    assert "its bytes are missing" in run("segments", "verify", code=1).stdout
