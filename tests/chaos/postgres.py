"""A Postgres that the harness itself runs, so that it can be away for as long as a scenario wants."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from storage.embedded import EmbeddedPostgres
from storage.embedded.places import PidFile, socket_url
from storage.embedded.processes import processes_in


class PostgresServer:
    """Starts and stops on the thread that made it: Postgres ends with the thread that started it."""

    def __init__(self, folder: Path) -> None:
        self._postgres = EmbeddedPostgres(folder)
        self.data = folder / "postgres"
        self.url = ""

    def start(self) -> None:
        """Start it and wait until it takes connections; its URL is the same every time."""
        self.url = self._postgres.start()

    def stop(self) -> None:
        """Shut it down, whatever its clients are doing."""
        self._postgres.stop()


def url_of_embedded(data_dir: Path) -> str:
    """Tell the URL of the Postgres that a service runs in its data directory."""
    noted = PidFile.read(data_dir / "postgres")
    assert noted is not None
    return socket_url(noted.socket_folder)


def kill_all(data: Path) -> int:
    """Kill -9 every process of the Postgres in a data folder, the postmaster first; return how many."""
    noted = PidFile.read(data)
    victims = processes_in(data)
    victims.sort(key=lambda pid: noted is None or pid != noted.pid)
    for pid in victims:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(victims)


@contextmanager
def frozen(data: Path) -> Iterator[None]:
    """Freeze every process of the Postgres in a data folder, and let it go on afterwards, whatever happened."""
    noted = PidFile.read(data)
    # The postmaster first: it makes no new processes then.
    victims = [noted.pid] if noted is not None else []
    for pid in victims:
        os.kill(pid, signal.SIGSTOP)
    try:
        for pid in processes_in(data):
            if pid not in victims:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
                    victims.append(pid)
        yield
    finally:
        for pid in reversed(victims):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
