"""What seals and merges every second beside a scenario, and is killed again and again."""

import subprocess
import threading
from collections import Counter
from pathlib import Path

from bench.clients.sealer import sealer_command

KILLED_AFTER_S = 2.7
"""Not a multiple of a second, so that kills fall on all parts of its work."""
POLL_S = 0.2


class Sealer:
    """Keeps such a process running, and kills it -9 some seconds after it has done its first piece of work.

    Args of the constructor:
        url: of the database.
        notes: a file of its own.
    """

    def __init__(self, url: str, notes: Path) -> None:
        self._command = sealer_command(url, notes)
        self._notes = notes
        self._ends: Counter[str] = Counter()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Kill it for good."""
        self._ending.set()
        self._thread.join()

    def count(self) -> Counter[str]:
        """Count the pieces of work that were `done`, how often it was `killed`, and how often it `failed`."""
        return Counter(done=self._count_done()) + self._ends

    def _count_done(self) -> int:
        return self._notes.read_text().count("\n") if self._notes.exists() else 0

    def _run(self) -> None:
        while not self._ending.is_set():
            process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL)
            before = self._count_done()
            while self._count_done() == before and process.poll() is None and not self._ending.wait(POLL_S):
                pass  # it starts, or waits for a database that is away
            self._ending.wait(KILLED_AFTER_S)
            self._ends["killed" if process.poll() is None else "failed"] += 1
            process.kill()
            process.wait()
