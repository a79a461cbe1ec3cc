"""Batches for the tests of the spool, and how they run one. As a program: a process that appends or drains.

`python -m tests.unit.spool_samples append FOLDER [FILE_BYTES]` appends until a line on its standard input, or until
the disk refuses; `... drain FOLDER` drains after a line on its standard input. Each prints a JSON line for every batch.
"""

import asyncio
import json
import resource
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

from runtime.logging import configure_logging
from storage.spool import Spool, SpooledBatch, SpoolUnwritableError
from storage.write.batch import EVENT_ID, Batch, BatchIdentity
from tests.rows import NOON, make_row

ROOT = Path(__file__).parents[2]
GENEROUS_BYTES = 1 << 30
"""A bound that no test reaches."""
APPENDERS = 4
EVENTS = 20
"""What the appending process appends at a time, concurrently and in one batch."""


def make_batch(
    events: int = 1, *, identity: BatchIdentity | None = None, text: str = "", received_at: datetime = NOON
) -> Batch:
    """Make a batch of so many rows, each with a text of some length."""
    rows = [make_row(event_id=str(uuid.uuid4()), received_at=received_at, user_agent=text) for _ in range(events)]
    return Batch(rows, (), NOON + timedelta(minutes=1), identity)


def ids(batches: Sequence[Batch | SpooledBatch]) -> list[str]:
    """List the event ids of batches, in order."""
    plain = [each.batch if isinstance(each, SpooledBatch) else each for each in batches]
    return [row[EVENT_ID] for batch in plain for row in batch.rows]


@asynccontextmanager
async def opened(folder: Path, max_bytes: int = GENEROUS_BYTES) -> AsyncIterator[Spool]:
    """Run a spool as a worker does."""
    spool = Spool(folder, max_bytes=max_bytes)
    try:
        await spool.refresh()
        yield spool
    finally:
        await spool.close()


async def drain(spool: Spool, **how: Any) -> list[SpooledBatch]:
    """Take all that waits out of a spool."""
    drained = []
    while (spooled := await spool.next_batch(**how)) is not None:
        drained.append(spooled)
        await spool.remove(spooled)
    return drained


async def drain_one(spool: Spool) -> SpooledBatch:
    """Take one batch out of a spool, that which waits longest."""
    spooled = await spool.next_batch(max_events=1)
    assert spooled is not None
    await spool.remove(spooled)
    return spooled


class SpoolProcess:
    """A process that uses a spool, seen from a test."""

    def __init__(self, *arguments: object) -> None:
        command = [sys.executable, "-m", "tests.unit.spool_samples", *map(str, arguments)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def read(self) -> dict[str, Any]:
        """Wait for its next line; empty when it has ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        # A process that is killed may leave half a line: it says nothing.
        return dict(json.loads(line)) if line.endswith("\n") else {}

    def read_rest(self) -> list[dict[str, Any]]:
        """Read all lines until it ends."""
        return list(iter(self.read, {}))

    def go(self) -> None:
        """Give it the line that it waits for."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._process.kill()
        self._process.wait()


def _say(**line: Any) -> None:
    print(json.dumps(line), flush=True)  # noqa: T201 - the test reads it


async def _append(spool: Spool) -> None:
    while True:
        batch = make_batch(EVENTS, text="x" * 200)
        try:
            await spool.append(batch)
        except SpoolUnwritableError as exc:
            _say(refused=ids([batch]), reason=exc.reason)
            return
        _say(stored=ids([batch]))


async def _main(task: str, folder: str, file_bytes: str = "") -> None:
    if file_bytes:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(file_bytes), int(file_bytes)))
    configure_logging(level="error", form="json", process="test")  # on stderr: the test reads the rest
    line = asyncio.create_task(asyncio.to_thread(sys.stdin.readline))
    if task == "drain":
        _say(ready=True)
        await line
        async with opened(Path(folder)) as spool:
            for spooled in await drain(spool, max_events=EVENTS):
                _say(drained=ids([spooled]), segment=spooled.segment_id)
        return
    async with opened(Path(folder)) as spool:
        appenders = [asyncio.create_task(_append(spool)) for _ in range(APPENDERS)]
        await asyncio.wait([line, *appenders], return_when=asyncio.FIRST_COMPLETED)
        if line.done():
            for appender in appenders:
                appender.cancel()
        await asyncio.wait(appenders)
        _say(ended=True)
        await line


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
