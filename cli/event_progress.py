"""The progress of events on their way in or out: a bar with rate and remaining time on a terminal, else nothing."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn


class EventProgress:
    """Shows how far an import or export has come; lines that are written meanwhile appear above the bar.

    The number of events is not known in advance: an import measures its progress by the (compressed) bytes of its file,
    an export by the seconds of its range.
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

    def start(self, name: str, total: float | None) -> None:
        """Begin with a file; without a total the bar only moves."""
        self._started_at_s, self._events = time.monotonic(), 0
        self._task = self._progress.add_task(name, total=total, events=0, rate=0)

    def advance(self, events: int, completed: float) -> None:
        """Count `events` more as done, with `completed` of the total in all."""
        if self._task is None:
            return
        self._events += events
        rate = round(self._events / max(1e-3, time.monotonic() - self._started_at_s))
        self._progress.update(self._task, completed=completed, events=self._events, rate=rate)

    def write(self, line: str) -> None:
        """Write a line, as wide as it is."""
        self._console.print(line, soft_wrap=True)
