"""The supervisor's side: starts child processes, watches them, restarts them and stops them together."""

import asyncio
import errno
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

import structlog

from runtime.errors import AnalyticsError
from runtime.supervised import READY_BYTE

log = structlog.get_logger(__name__)

RESTART_DELAY_FIRST_S = 0.2
RESTART_DELAY_MOST_S = 10.0
"""Backoff between restarts doubles from the first to the most, so that a child that cannot start costs little."""
STEADY_S = 30.0
"""A child that ran this long has recovered: its backoff is reset."""
KILL_MARGIN_S = 1.0
"""The time that a child gets beyond its own drain time before it is killed."""
TICK_S = 0.1
"""The interval at which a child is checked."""
MAX_BEATS = 65_536
"""Bytes of heartbeats read at once: what a pipe holds."""

Restarts: TypeAlias = Counter[tuple[str, str]]
"""How often each child was restarted, by its name and by the reason, one of those below."""
ENDED = "ended"
HUNG = "hung"
NOT_STARTED = "not_started"


class ChildFailedError(AnalyticsError):
    """A child process ended before it was ready; the log above says why."""

    reason: ClassVar[str] = "CHILD_FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A program to keep running.

    Attributes:
        name: its role, for logs and metrics.
        arguments: the command line; `{ready_fd}` becomes the file descriptor that it writes READY_BYTE and beats to.
        environment: variables beside those of this process.
        grace_s: how long it may take to stop.
        silence_s: how long it may send no heartbeat, after the first one, before it is killed; None for any time.
    """

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    grace_s: float
    silence_s: float | None = None


async def keep_running(child: Child, *, ready: asyncio.Event, stop: asyncio.Event, restarts: Restarts) -> None:
    """Run the child until `stop` is set; start it again when it ends by itself, hangs, or cannot be started.

    Args:
        child: what to run. It gets a session of its own, so that Ctrl-C and a closed terminal reach only this process.
        ready: set when the child first says that it is ready.
        stop: when set, the child gets SIGTERM, and SIGKILL after its grace plus a margin.
        restarts: where to count.

    Raises:
        ChildFailedError: it ended before it was ever ready; restarting would hide a fault of the set-up.
    """
    loop = asyncio.get_running_loop()
    delay_s = RESTART_DELAY_FIRST_S
    while not stop.is_set():
        started_at = loop.time()
        why, detail = await _run_once(child, ready, stop)
        if stop.is_set():
            return
        if why == ENDED and not ready.is_set():
            raise ChildFailedError(f"{child.name} ended with {detail} before it was ready; the log above says why")
        if loop.time() - started_at > STEADY_S:
            delay_s = RESTART_DELAY_FIRST_S
        restarts[child.name, why] += 1
        log.warning("child_restarted", child=child.name, because=why, detail=detail, delay_s=delay_s)
        await wait_for_event(stop, delay_s)
        delay_s = min(delay_s * 2, RESTART_DELAY_MOST_S)


async def wait_for_event(event: asyncio.Event, timeout_s: float) -> bool:
    """Wait until the event is set or the time is over, and return whether it is set."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return event.is_set()
    return True


def python_module(*arguments: str) -> list[str]:
    """Build the command line that runs this program again, with the same interpreter."""
    return [sys.executable, "-m", *arguments]


class _Pulse:
    """Reads a child's pipe, and counts the consecutive checks without a heartbeat."""

    def __init__(self, pipe: int, ready: asyncio.Event) -> None:
        self._pipe = pipe
        self._ready = ready
        self._has_beaten = False
        self._silent_looks = 0

    def look(self) -> None:
        """Read what there is."""
        try:
            said = os.read(self._pipe, MAX_BEATS)
        except BlockingIOError:
            said = b""
        if READY_BYTE in said:
            self._ready.set()
        self._has_beaten |= bool(said)
        self._silent_looks = 0 if said else self._silent_looks + 1

    def is_silent_for(self, silence_s: float | None) -> bool:
        """Return whether the child was silent for this long, counted in checks.

        A clock would be wrong: while a machine sleeps, no process sends heartbeats, and none is checked either.
        """
        return silence_s is not None and self._has_beaten and self._silent_looks * TICK_S > silence_s


async def _run_once(child: Child, ready: asyncio.Event, stop: asyncio.Event) -> tuple[str, str]:
    """Run the child until it ends, hangs or is to stop; return why it ended, and a detail for people."""
    try:
        process, pipe = _spawn(child)
    except OSError as exc:
        # A limit of processes, memory or files, which passes; this program itself is surely there.
        return NOT_STARTED, errno.errorcode.get(exc.errno or 0, type(exc).__name__)
    pulse = _Pulse(pipe, ready)
    try:
        while process.poll() is None and not stop.is_set():
            await wait_for_event(stop, TICK_S)
            pulse.look()
            if pulse.is_silent_for(child.silence_s):
                log.error("child_hung", child=child.name, pid=process.pid, silent_s=child.silence_s)
                process.kill()
                process.wait()
                return HUNG, f"no beat for {child.silence_s:g} s"
        await _end(process, child.grace_s)
    finally:
        if process.poll() is None:
            log.error("child_killed", pid=process.pid)
            process.kill()
            process.wait()
        os.close(pipe)
    return ENDED, f"code {process.returncode}"


def _spawn(child: Child) -> tuple["subprocess.Popen[bytes]", int]:
    """Start the child.

    Raises:
        OSError: the system has no process, memory or file descriptor left.
    """
    ours, theirs = os.pipe()
    try:
        process = subprocess.Popen(  # noqa: S603 - the command line is this program's own
            [word.replace("{ready_fd}", str(theirs)) for word in child.arguments],
            env={**os.environ, **child.environment},
            pass_fds=(theirs,),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    os.set_blocking(ours, False)
    return process, ours


async def _end(process: "subprocess.Popen[bytes]", grace_s: float) -> None:
    """Ask a child that still runs to end, and wait for it within its grace and a margin."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    deadline_s = asyncio.get_running_loop().time() + grace_s + KILL_MARGIN_S
    while process.poll() is None and asyncio.get_running_loop().time() < deadline_s:  # noqa: ASYNC110 - a process sets no event
        await asyncio.sleep(0.02)
