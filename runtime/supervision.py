"""Supervision: child processes that are started, watched, restarted and stopped as one."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import structlog

from runtime.errors import AnalyticsError

log = structlog.get_logger(__name__)

RESTART_DELAY_FIRST_S = 0.2
RESTART_DELAY_MOST_S = 10.0
"""Backoff between restarts doubles from the first to the most, so that a child that cannot start costs little."""
STEADY_S = 30.0
"""A child that ran so long has recovered: its backoff starts anew."""
KILL_MARGIN_S = 1.0
"""What a child gets beyond its own drain time before it is killed."""
PARENT_POLL_S = 0.5
READY_BYTE = b"R"


class ChildFailedError(AnalyticsError):
    """A child process ended before it was ready; the log above says why."""

    reason: ClassVar[str] = "CHILD_FAILED"


@dataclass(frozen=True, slots=True)
class Child:
    """A program to keep running.

    Attributes:
        name: its role, for logs.
        arguments: the command line; the word `{ready_fd}` becomes the file descriptor to write READY_BYTE to.
        environment: variables beside those of this process.
    """

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


async def keep_running(child: Child, *, ready: asyncio.Event, stop: asyncio.Event, grace_s: float) -> None:
    """Run the child until `stop` is set; restart it when it ends by itself.

    Args:
        child: what to run. It gets a session of its own, so that Ctrl-C reaches only this process.
        ready: set when the child first says that it is ready.
        stop: when set, the child gets SIGTERM, and SIGKILL after `grace_s` plus a margin.
        grace_s: how long the child may take to stop.

    Raises:
        ChildFailedError: it ended before it was ever ready; restarting would hide a fault of the set-up.
    """
    loop = asyncio.get_running_loop()
    delay_s = RESTART_DELAY_FIRST_S
    while not stop.is_set():
        started_at = loop.time()
        process, ready_pipe = _spawn(child)
        waiting = asyncio.create_task(_wait_ready(ready_pipe, ready))
        try:
            code = await _wait_or_stop(process, stop, grace_s)
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            os.close(ready_pipe)
        if stop.is_set():
            return
        if not ready.is_set():
            raise ChildFailedError(f"{child.name} ended with code {code} before it was ready; the log above says why")
        if loop.time() - started_at > STEADY_S:
            delay_s = RESTART_DELAY_FIRST_S
        log.warning("child_restarted", child=child.name, code=code, delay_s=delay_s)
        await wait_for_event(stop, delay_s)
        delay_s = min(delay_s * 2, RESTART_DELAY_MOST_S)


async def watch_parent(stop: asyncio.Event) -> None:
    """Set `stop` when the process that started this one is gone, so that its death leaves no orphan."""
    parent = os.getppid()
    while not stop.is_set():
        await wait_for_event(stop, PARENT_POLL_S)
        if os.getppid() != parent:
            log.warning("parent_gone")
            stop.set()


async def wait_for_event(event: asyncio.Event, timeout_s: float) -> bool:
    """Wait until the event is set or the time is over, and say whether it is set."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return event.is_set()
    return True


def stop_on_signals(stop: asyncio.Event) -> None:
    """Set `stop` on SIGTERM and SIGINT; a second SIGINT ends the process the hard way."""
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        if stop.is_set() and number == signal.SIGINT:
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)


def report_ready(ready_fd: int | None) -> None:
    """Tell the supervisor, where there is one, that this process serves."""
    if ready_fd is not None:
        os.write(ready_fd, READY_BYTE)
        os.close(ready_fd)


def _spawn(child: Child) -> tuple["subprocess.Popen[bytes]", int]:
    ours, theirs = os.pipe()
    try:
        process = subprocess.Popen(  # noqa: S603 - the command line is this program's own
            [word.replace("{ready_fd}", str(theirs)) for word in child.arguments],
            env={**os.environ, **child.environment},
            pass_fds=(theirs,),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    finally:
        os.close(theirs)
    os.set_blocking(ours, False)
    return process, ours


async def _wait_ready(pipe: int, ready: asyncio.Event) -> None:
    """Set `ready` when the child writes its byte; a pipe that closes empty says nothing."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(pipe, readable.set)
    try:
        await readable.wait()
        if os.read(pipe, 1) == READY_BYTE:
            ready.set()
    finally:
        loop.remove_reader(pipe)


async def _wait_or_stop(process: "subprocess.Popen[bytes]", stop: asyncio.Event, grace_s: float) -> int:
    """Wait for the child to end, by itself or because of `stop`, and return its exit code."""
    try:
        while process.poll() is None and not stop.is_set():
            await wait_for_event(stop, 0.1)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        deadline = asyncio.get_running_loop().time() + grace_s + KILL_MARGIN_S
        while process.poll() is None and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - a process sets no event
            await asyncio.sleep(0.02)
    finally:
        if process.poll() is None:
            log.error("child_killed", pid=process.pid)
            process.kill()
            process.wait()
    return process.returncode


def python_module(*arguments: str) -> list[str]:
    """Build the command line that runs this program again, with the same interpreter."""
    return [sys.executable, "-m", *arguments]
