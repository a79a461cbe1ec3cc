"""The progress of an import: a bar with rate and remaining time on a terminal, nothing elsewhere."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn


class ImportProgress:
    """Shows how far a file has come; lines that are written meanwhile appear above the bar.

    It goes by bytes read, compressed as the file is, because nobody knows how many events a file holds.
    """

    def __init__(self, console: Console) -> None:
        """Take the console for messages, stderr."""
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[events]:,} events, {task.fields[rate]:,}/s"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None
        self._started_at_s = 0.0
        self._events = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._progress.stop()

    def start(self, name: str, size_bytes: int | None) -> None:
        """Begin with a file; the bar of one without a size only moves."""
        self._started_at_s, self._events = time.monotonic(), 0
        self._task = self._progress.add_task(name, total=size_bytes, events=0, rate=0)

    def advance(self, events: int, consumed_bytes: int) -> None:
        """Count `events` more as answered, with `consumed_bytes` of the file read in all."""
        if self._task is None:
            return
        self._events += events
        rate = round(self._events / max(1e-3, time.monotonic() - self._started_at_s))
        self._progress.update(self._task, completed=consumed_bytes, events=self._events, rate=rate)

    def write(self, line: str) -> None:
        """Write a line, as wide as it is."""
        self._console.print(line, soft_wrap=True)
