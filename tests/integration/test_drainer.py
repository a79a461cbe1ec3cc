"""The drainer: what the database does not take never blocks what is behind it, and is not lost."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import structlog
from click.testing import CliRunner

from cli.operate import ingest_aside
from storage.blocks import store as store_module
from storage.blocks.store import BlockStore
from storage.postgres.database import Connection, Database
from storage.spool import Spool, list_aside, put_back
from storage.write import drainer
from storage.write.batch import EVENT_ID, WriteOutcome
from storage.write.ingest_ledger import read_ingest_hours
from storage.write.writer import Writer
from tests.integration.test_writer import make_writer
from tests.rows import make_batch, make_rejection, make_row
from tests.stored import rows_in_blocks

WAIT_S = 20.0
CURSED = "c0ded000-0000-4000-8000-000000000000"
FAULT = f"""
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.event_id = '{CURSED}' THEN
        RAISE EXCEPTION '% is refused, user-cursed', NEW.event_id USING ERRCODE = %s;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON analytics_event_keys FOR EACH ROW EXECUTE FUNCTION refuse();
"""
"""A fault that fails the transaction of an event, whatever is done with it, until somebody mends it."""
MENDED = "DROP TRIGGER refuse ON analytics_event_keys"


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for half a minute."""
    monkeypatch.setattr(drainer, "FAILURE_DELAY_S", 0.02)
    monkeypatch.setattr(drainer, "IDLE_POLL_S", 0.02)
    monkeypatch.setattr(store_module, "RETRY_FOR_S", 0.1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A spool's folder."""
    return tmp_path / "spool"


@asynccontextmanager
async def draining(database: Database, folder: Path) -> AsyncIterator[Writer]:
    """Run a writer with a spool, as a worker does."""
    spool = Spool(folder, max_bytes=1 << 30)
    writer = make_writer(database, spool)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(writer.run())
        try:
            yield writer
        finally:
            await writer.stop()
    await spool.close()


async def leave_behind(folder: Path, *batches: Sequence[Any]) -> None:
    """Spool batches of rows as a process does that dies then."""
    spool = Spool(folder, max_bytes=1 << 30)
    for rows in batches:
        await spool.append(make_batch(rows))
    await spool.close()


async def eventually(what: str, check: Callable[[], Any]) -> None:
    """Wait until an awaitable check answers true."""
    try:
        async with asyncio.timeout(WAIT_S):
            while not await check():
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"not within {WAIT_S} s: {what}")


async def totals(database: Database, folder: Path) -> dict[str, int]:
    """Sum up what became of all that was received."""
    hours = await read_ingest_hours(database, folder)
    names = ("received", "stored", "duplicates", "rejected", "spooled", "set_aside")
    return {name: total for name in names if (total := sum(getattr(hour, name) for hour in hours))}


@pytest.mark.finding(2)
@pytest.mark.parametrize("state", ["'P0001'", "'53200'", "'57014'"])
async def test_a_batch_that_fails_again_and_again_is_set_aside(
    database: Database, sql: Connection, folder: Path, state: str
) -> None:
    """By an error of ours, for want of memory, by cancellation: alone, named and counted; the others are stored."""
    await sql.execute(FAULT.replace("%s", state))
    cursed = [make_row(event_id=CURSED, user_id="user-cursed"), make_row()]
    await leave_behind(folder, [make_row()], cursed, [make_row(), make_row()])
    with structlog.testing.capture_logs() as logs:
        async with draining(database, folder) as writer:

            async def is_drained() -> bool:
                return (await totals(database, folder)).get("spooled", 0) == 0

            await eventually("the spool is drained", is_drained)
            assert await totals(database, folder) == {"received": 5, "stored": 3, "set_aside": 2}
            assert await writer.write([make_row()], size_bytes=200, wait=True) == [WriteOutcome.STORED]
    (aside,) = list_aside(folder)
    assert aside.events == 2
    assert state.strip("'") in aside.error
    (line,) = [line for line in logs if line["event"] == "batch_set_aside"]
    assert (line["name"], line["events"], line["error"]) == (aside.name, 2, aside.error)
    assert "user-cursed" not in str(logs)


@pytest.mark.finding(2)
async def test_what_was_set_aside_is_shown_and_put_back(
    database: Database, sql: Connection, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a command, while the service runs; it is stored once, also where it is put back twice, and all adds up."""
    monkeypatch.setenv("ANALYTICS_DATA_DIR", str(folder.parent))
    await sql.execute(FAULT.replace("%s", "'P0001'"))
    row = make_row(event_id=CURSED, user_id="user-cursed")
    await leave_behind(folder, [make_row()], [row], [make_row()])

    def run(*arguments: str) -> str:
        # In a process of its own, as an operator does: put-back runs a loop.
        command = [sys.executable, "-m", "cli", "ingest", "aside", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout

    async with draining(database, folder):

        async def is_set_aside() -> bool:
            return await totals(database, folder) == {"received": 3, "stored": 2, "set_aside": 1}

        await eventually("it is set aside", is_set_aside)
        (listed,) = map(json.loads, run("list", "--json").splitlines())
        assert (listed["events"], listed["error"]) == (1, "RaiseError P0001")
        assert json.loads(run("show", listed["name"]))["user_id"] == "user-cursed"
        copy = Path(listed["path"]).read_bytes()
        await sql.execute(MENDED)
        for _ in range(2):
            await asyncio.to_thread(run, "put-back", "--all")

            async def is_stored() -> bool:
                return await totals(database, folder) == {"received": 3, "stored": 3}

            await eventually("it is stored", is_stored)
            assert list_aside(folder) == []
            Path(listed["path"]).write_bytes(copy)  # as where the first putting back was cut off before its end
            assert await totals(database, folder) == {"received": 3, "stored": 3}
    assert Counter(stored[EVENT_ID] for stored in await rows_in_blocks(sql))[CURSED] == 1


async def test_a_batch_being_moved_is_counted_once(database: Database, folder: Path) -> None:
    """Also in the moment when its file is written and it is still in the spool, and when it is put back."""
    await leave_behind(folder, [make_row()], [make_row(), make_row()])
    spool = Spool(folder, max_bytes=1 << 30)
    spooled = await spool.next_batch(max_events=1)
    assert spooled is not None
    name = await spool.set_aside(spooled, "RuntimeError")
    assert await totals(database, folder) == {"received": 3, "spooled": 2, "set_aside": 1}
    assert await spool.next_batch() is not None
    path = folder / "aside" / f"{name}.json"
    content = path.read_bytes()
    (aside,) = list_aside(folder)
    await put_back(folder, aside)
    assert await totals(database, folder) == {"received": 3, "spooled": 3}
    path.write_bytes(content)
    assert await totals(database, folder) == {"received": 3, "spooled": 2, "set_aside": 1}
    await spool.close()


async def test_an_outage_sets_nothing_aside(database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it lasts and however it shows: a full disk is no fault of the batch."""
    attempts = 0
    write = BlockStore._write

    async def fail(self: BlockStore, connection: Any, plan: Any, *arguments: Any, **options: Any) -> Any:
        nonlocal attempts
        if attempts < 50 and plan.batch.rows:
            attempts += 1
            raise asyncpg.DiskFullError("could not extend file")
        return await write(self, connection, plan, *arguments, **options)

    monkeypatch.setattr(BlockStore, "_write", fail)
    monkeypatch.setattr(store_module, "RETRY_FOR_S", 0.0)
    await leave_behind(folder, [make_row()])
    async with draining(database, folder):

        async def is_stored() -> bool:
            return await totals(database, folder) == {"received": 1, "stored": 1}

        await eventually("it is stored", is_stored)
    assert attempts == 50
    assert list_aside(folder) == []


async def test_a_table_that_is_missing_is_waited_for(database: Database, sql: Connection, folder: Path) -> None:
    """As while a database is restored: nothing is rejected or set aside, and all is stored when it is there again."""
    await sql.execute("ALTER TABLE analytics_event_keys RENAME TO away")
    async with draining(database, folder) as writer:
        assert await writer.write([make_row()], size_bytes=200, wait=True) == [WriteOutcome.SPOOLED]
        assert await totals(database, folder) == {"received": 1, "spooled": 1}
        await sql.execute("ALTER TABLE away RENAME TO analytics_event_keys")

        async def is_stored() -> bool:
            return await totals(database, folder) == {"received": 1, "stored": 1}

        await eventually("it is stored", is_stored)


def test_nothing_set_aside_is_said(tmp_path: Path) -> None:
    """And a name that is unknown is named."""
    environment = {"ANALYTICS_DATA_DIR": str(tmp_path)}
    assert "Nothing is set aside" in CliRunner().invoke(ingest_aside.command, ["list"], env=environment).output
    unknown = CliRunner().invoke(ingest_aside.command, ["show", "nothing"], env=environment)
    assert (unknown.exit_code, "'nothing'" in unknown.output) == (1, True)


async def test_what_a_failed_write_holds_never_reaches_the_log(
    database: Database, sql: Connection, folder: Path
) -> None:
    """Type and SQLSTATE do, though drivers and triggers quote values in their messages."""
    await sql.execute(FAULT.replace("%s", "'P0001'"))
    await leave_behind(folder, [make_row(event_id=CURSED, user_id="user-cursed")])
    with structlog.testing.capture_logs() as logs:
        async with draining(database, folder) as writer:
            with pytest.raises(Exception, match="does not take this write"):
                await writer.write([make_row(event_id=CURSED, user_id="user-cursed")], size_bytes=200, wait=True)
            with pytest.raises(Exception, match="does not take this write"):
                await writer.write([], [make_rejection(reason="secret\0")], size_bytes=200, wait=True)
    failed = [line for line in logs if line["event"] == "write_failed"]
    assert [line["error"] for line in failed] == ["RaiseError P0001", "CharacterNotInRepertoireError 22021"]
    assert [line["at"].partition(":")[0] for line in failed] == ["transaction.py", "quarantine.py"]
    assert not any("exc_info" in line for line in logs), "a traceback quotes what an error quotes"
    assert "user-cursed" not in str(logs)
    assert "secret" not in str(logs)
