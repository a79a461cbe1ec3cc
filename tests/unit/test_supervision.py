"""Supervision of child processes, with real ones."""

import asyncio
import errno
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from runtime.supervision import (
    ENDED,
    HUNG,
    NOT_STARTED,
    TICK_S,
    Child,
    ChildFailedError,
    Restarts,
    keep_running,
)

pytestmark = pytest.mark.processes

READY = "import os, sys; os.write(int(sys.argv[1]), b'R'); "


BEATING = READY + "import time\nwhile True: os.write(int(sys.argv[1]), b'.'); time.sleep(0.1)"
SILENCE_S = 1.0


def python(code: str) -> list[str]:
    """Build the command line of a small program that gets the ready descriptor as its argument."""
    return [sys.executable, "-c", code, "{ready_fd}"]


async def test_a_child_that_ends_is_started_again(tmp_path: Path) -> None:
    """Each run leaves a mark; three marks are three runs."""
    marks = tmp_path / "marks"
    code = READY + f"open({str(marks)!r}, 'a').write('x')"
    ready, stop = asyncio.Event(), asyncio.Event()
    restarts: Restarts = Counter()
    child = Child(name="child", arguments=python(code), grace_s=1)
    running = asyncio.create_task(keep_running(child, ready=ready, stop=stop, restarts=restarts))
    async with asyncio.timeout(20):
        while not marks.exists() or len(marks.read_text()) < 3:
            await asyncio.sleep(0.05)
    stop.set()
    await running
    assert restarts["child", ENDED] >= 2


async def test_a_child_that_never_was_ready_is_a_fault_of_the_set_up() -> None:
    """It is not restarted again and again: the caller learns its exit code."""
    with pytest.raises(ChildFailedError, match="code 7"):
        await keep_running(
            Child(name="child", arguments=python("raise SystemExit(7)"), grace_s=1),
            ready=asyncio.Event(),
            stop=asyncio.Event(),
            restarts=Counter(),
        )


async def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    """Stopping takes no longer than the grace and its margin."""
    pid_file = tmp_path / "pid"
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        f"open({str(pid_file)!r}, 'w').write(str(__import__('os').getpid())); " + READY + "time.sleep(60)"
    )
    ready, stop = asyncio.Event(), asyncio.Event()
    child = Child(name="child", arguments=python(code), grace_s=0.1)
    running = asyncio.create_task(keep_running(child, ready=ready, stop=stop, restarts=Counter()))
    async with asyncio.timeout(20):
        await ready.wait()
        stop.set()
        await running
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


@pytest.mark.finding(20)
@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM], ids=["EAGAIN", "ENOMEM"])
async def test_a_child_that_cannot_be_started_is_tried_again(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit of processes or memory passes, and until then nothing ends; not even at the first start."""
    start = subprocess.Popen.__init__
    refused = 0

    def refuse_twice(process: "subprocess.Popen[bytes]", *args: object, **named: object) -> None:
        nonlocal refused
        refused += 1
        if refused <= 2:
            process._child_created = False  # type: ignore[attr-defined]
            raise OSError(number, os.strerror(number))
        start(process, *args, **named)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess.Popen, "__init__", refuse_twice)
    ready, stop = asyncio.Event(), asyncio.Event()
    restarts: Restarts = Counter()
    child = Child(name="child", arguments=python(BEATING), grace_s=1)
    running = asyncio.create_task(keep_running(child, ready=ready, stop=stop, restarts=restarts))
    async with asyncio.timeout(20):
        await ready.wait()
    stop.set()
    await running
    assert restarts == {("child", NOT_STARTED): 2}


@pytest.mark.finding(20)
async def test_a_child_that_hangs_is_killed_and_started_again(tmp_path: Path) -> None:
    """One that beats is left alone however long it runs; one that is stopped in its tracks is replaced."""
    pids = tmp_path / "pids"
    code = f"open({str(pids)!r}, 'a').write(f'{{__import__(\"os\").getpid()}}\\n'); {BEATING}"
    ready, stop = asyncio.Event(), asyncio.Event()
    restarts: Restarts = Counter()
    child = Child(name="child", arguments=python(code), grace_s=1, silence_s=SILENCE_S)
    running = asyncio.create_task(keep_running(child, ready=ready, stop=stop, restarts=restarts))
    async with asyncio.timeout(20):
        await ready.wait()
        await asyncio.sleep(2 * SILENCE_S)  # what it would be killed after, were beats not counted
        assert not restarts
        os.kill(int(pids.read_text()), signal.SIGSTOP)
        while len(pids.read_text().split()) < 2:
            await asyncio.sleep(TICK_S)
    stop.set()
    await running
    assert restarts == {("child", HUNG): 1}
