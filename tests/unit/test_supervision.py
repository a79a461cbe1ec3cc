"""Supervision of child processes, with real ones."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from runtime.supervision import Child, ChildFailedError, keep_running

READY = "import os, sys; os.write(int(sys.argv[1]), b'R'); "


def python(code: str) -> list[str]:
    """Build the command line of a small program that gets the ready descriptor as its argument."""
    return [sys.executable, "-c", code, "{ready_fd}"]


async def test_a_child_that_ends_is_started_again(tmp_path: Path) -> None:
    """Each run leaves a mark; three marks are three runs."""
    marks = tmp_path / "marks"
    code = READY + f"open({str(marks)!r}, 'a').write('x')"
    ready, stop = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(keep_running(Child("child", python(code)), ready=ready, stop=stop, grace_s=1))
    async with asyncio.timeout(20):
        while not marks.exists() or len(marks.read_text()) < 3:
            await asyncio.sleep(0.05)
    stop.set()
    await running


async def test_a_child_that_never_was_ready_is_a_fault_of_the_set_up() -> None:
    """It is not restarted for ever: the caller learns its code."""
    with pytest.raises(ChildFailedError, match="code 7"):
        await keep_running(
            Child("child", python("raise SystemExit(7)")), ready=asyncio.Event(), stop=asyncio.Event(), grace_s=1
        )


async def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    """Stopping takes no longer than the grace and its margin."""
    pid_file = tmp_path / "pid"
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        f"open({str(pid_file)!r}, 'w').write(str(__import__('os').getpid())); " + READY + "time.sleep(60)"
    )
    ready, stop = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(keep_running(Child("child", python(code)), ready=ready, stop=stop, grace_s=0.1))
    async with asyncio.timeout(20):
        await ready.wait()
        stop.set()
        await running
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)
