"""A jobs process in small: seals all there is and merges what is worth while, every second, until it is killed.

python -m bench.clients.sealer --url postgresql://... [--notes FILE]
"""

import argparse
import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jobs.open_segments import open_segments
from jobs.upkeep import Upkeep
from runtime.logging import configure_logging
from runtime.settings import Settings
from storage.postgres.errors import NotMigratedError, StorageUnavailableError
from storage.postgres.existing import open_existing
from storage.segments import plans

EVERY_S = 1.0
RETRY_S = 0.2


def sealer_command(url: str, notes: Path | None = None) -> list[str]:
    """Make the command that runs it.

    Args:
        url: of a migrated database.
        notes: where it adds a line for each piece of work that is done.
    """
    command = [sys.executable, "-m", "bench.clients.sealer", "--url", url]
    return command if notes is None else [*command, "--notes", str(notes)]


@contextmanager
def sealing(url: str) -> Iterator[None]:
    """Seal and merge every second, in a process of its own."""
    process = subprocess.Popen(sealer_command(url), stdin=subprocess.DEVNULL)  # noqa: S603 - a program of ours
    try:
        yield
    finally:
        ended = process.poll()
        process.kill()
        process.wait()
    if ended is not None:
        raise SystemExit(f"the sealer ended with code {ended}; its error is above")


async def seal_every_second(url: str, notes: Path | None) -> None:
    """Seal and merge; a database that is away or not migrated yet is waited for."""
    plans.SEAL_ROWS = 1
    settings = Settings.from_environment()
    while True:
        try:
            async with open_existing(url, settings.data_dir) as database:
                upkeep = Upkeep(database, open_segments(database, settings), name="sealer")
                while True:
                    if await upkeep.run_once() and notes is not None:
                        with notes.open("a") as file:
                            file.write("done\n")
                    await asyncio.sleep(EVERY_S)
        except (StorageUnavailableError, NotMigratedError):
            await asyncio.sleep(RETRY_S)


def main() -> None:
    """Run what the command line asks for."""
    arguments = argparse.ArgumentParser(prog="python -m bench.clients.sealer", description=__doc__)
    arguments.add_argument("--url", required=True, help="the database")
    arguments.add_argument("--notes", type=Path, help="where a line is added for each piece of work that is done")
    options = arguments.parse_args()
    configure_logging(level="error", form="console", process="sealer")
    asyncio.run(seal_every_second(options.url, options.notes))


if __name__ == "__main__":
    main()
