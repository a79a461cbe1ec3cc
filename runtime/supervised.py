"""The supervised side: a process reports that it is ready, sends heartbeats, and ends with its supervisor."""

import asyncio
import os
import select
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog

log = structlog.get_logger(__name__)

READY_BYTE = b"R"
BEAT_BYTE = b"."
BEAT_INTERVAL_S = 1.0
"""The interval of the heartbeats, which the event loop of a supervised process sends."""
ORPHAN_MARGIN_S = 1.0
"""The time that a process without a supervisor gets beyond its own grace before it exits at once."""
EXIT_ORPHANED = 70
"""EX_SOFTWARE of sysexits.h: the process did not stop in time, and nobody else was there to kill it."""


def stop_on_signals(stop: asyncio.Event) -> None:
    """Set `stop` on SIGTERM, SIGINT and, unless `nohup` has it ignored, SIGHUP, which a closed terminal sends.

    A second SIGINT ends the process at once.
    """
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        if stop.is_set() and number == signal.SIGINT:
            os._exit(128 + number)
        stop.set()

    numbers = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, on_signal, number)


@asynccontextmanager
async def supervised(ready_fd: int | None, stop: asyncio.Event, *, grace_s: float) -> AsyncIterator[Callable[[], None]]:
    """Send heartbeats to the supervisor while the context lasts; yields the function that reports readiness.

    When the supervisor has ended, for any reason, `stop` is set; a process that then takes longer than `grace_s` and a
    margin exits at once, even if its event loop hangs.

    Args:
        ready_fd: the pipe to the supervisor; without one (None) nothing happens.
        stop: ends this process.
        grace_s: how long stopping may take.
    """
    if ready_fd is None:
        yield lambda: None
        return
    os.set_blocking(ready_fd, False)
    loop = asyncio.get_running_loop()
    watch = threading.Thread(target=_outlive_nobody, args=(ready_fd, loop, stop, grace_s), daemon=True)
    watch.start()
    beating = asyncio.create_task(_beat(ready_fd))
    try:
        yield lambda: _write(ready_fd, READY_BYTE)
    finally:
        beating.cancel()


async def _beat(ready_fd: int) -> None:
    while True:
        _write(ready_fd, BEAT_BYTE)
        await asyncio.sleep(BEAT_INTERVAL_S)


def _write(ready_fd: int, byte: bytes) -> None:
    try:
        os.write(ready_fd, byte)
    except (BlockingIOError, BrokenPipeError):
        return  # the supervisor is stopped, or gone, which the thread notices


def _outlive_nobody(ready_fd: int, loop: asyncio.AbstractEventLoop, stop: asyncio.Event, grace_s: float) -> None:
    """Wait in a thread until the pipe has no reader any more, then make this process end."""
    gone = select.poll()
    gone.register(ready_fd, 0)
    gone.poll()
    try:
        loop.call_soon_threadsafe(stop.set)
    except RuntimeError:  # the loop is closed, and the process about to end
        return
    log.warning("parent_gone")
    threading.Event().wait(grace_s + ORPHAN_MARGIN_S)
    os._exit(EXIT_ORPHANED)
