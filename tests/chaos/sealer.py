"""A process that seals and merges every second beside a scenario, and is killed again and again: `--url`, `--notes`."""

import argparse
import asyncio
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from jobs.open_segments import open_segments
from jobs.upkeep import Upkeep
from runtime.logging import configure_logging
from runtime.settings import Settings
from storage.postgres.database import Database
from storage.postgres.errors import StorageUnavailableError
from storage.segments import plans

EVERY_S = 1.0
KILLED_AFTER_S = 3.7
"""Not a multiple of a second, so that kills fall on all parts of its work."""
RETRY_S = 0.2


async def seal_every_second(url: str, notes: Path) -> None:
    """Seal all there is, and merge what is worth while, every second; a database that is away is waited for."""
    plans.SEAL_ROWS = 1
    while True:
        try:
            database = await Database.open(url)
        except StorageUnavailableError:
            await asyncio.sleep(RETRY_S)
            continue
        try:
            upkeep = Upkeep(database, open_segments(database, Settings.from_environment()), name="chaos")
            while True:
                if await upkeep.run_once():
                    with notes.open("a") as file:
                        file.write("done\n")
                await asyncio.sleep(EVERY_S)
        except StorageUnavailableError:
            await asyncio.sleep(RETRY_S)
        finally:
            await database.close()


class Sealer:
    """Keeps such a process running, and kills it -9 every few seconds.

    Args of the constructor:
        url: of the database.
        notes: a file of its own.
    """

    def __init__(self, url: str, notes: Path) -> None:
        self._arguments = [sys.executable, "-m", "tests.chaos.sealer", "--url", url, "--notes", str(notes)]
        self._notes = notes
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ends: Counter[str] = Counter()
        self._thread.start()

    def stop(self) -> None:
        """Kill it for good."""
        self._ending.set()
        self._thread.join()

    def count(self) -> Counter[str]:
        """Count how often something was sealed or merged, how often it was killed, and how often it failed."""
        done = self._notes.read_text().count("\n") if self._notes.exists() else 0
        return Counter(done=done) + self._ends

    def _run(self) -> None:
        while not self._ending.is_set():
            process = subprocess.Popen(self._arguments, stdin=subprocess.DEVNULL)
            started_s = time.monotonic()
            done = self.count()["done"]
            # It is killed in the midst of work that it has begun, not while it starts.
            while self.count()["done"] == done and not self._ending.wait(RETRY_S) and process.poll() is None:
                started_s = time.monotonic()
            self._ending.wait(max(0.0, started_s + KILLED_AFTER_S - time.monotonic()))
            self._ends["killed" if process.poll() is None else "failed"] += 1
            process.kill()
            process.wait()


def main() -> None:
    """Run what the command line asks for, until it is killed."""
    arguments = argparse.ArgumentParser(prog="python -m tests.chaos.sealer", description=__doc__)
    arguments.add_argument("--url", required=True, help="the database")
    arguments.add_argument("--notes", required=True, type=Path, help="where a line is added for each piece of work")
    options = arguments.parse_args()
    configure_logging(level="error", form="console", process="sealer")
    asyncio.run(seal_every_second(options.url, options.notes))


if __name__ == "__main__":
    main()
