"""The child processes of the service: started together, stopped group by group."""

import asyncio
from collections.abc import Callable, Sequence

from runtime.supervision import Child, ChildFailedError, Restarts, keep_running


async def run_children(
    groups: Sequence[Sequence[Child]],
    stop: asyncio.Event,
    *,
    restarts: Restarts,
    when_ready: Callable[[], None],
) -> None:
    """Run all children until `stop` is set, then stop the groups in reverse order, each after the next one has ended.

    Args:
        groups: what to run.
        stop: ends everything; set here where a child fails.
        restarts: where restarts are counted.
        when_ready: called once every child has said that it is ready.

    Raises:
        ChildFailedError: a child ended before it was ever ready.
    """
    failures: list[ChildFailedError] = []
    ready: list[asyncio.Event] = []

    async def keep(child: Child, child_ready: asyncio.Event, until: asyncio.Event) -> None:
        try:
            await keep_running(child, ready=child_ready, stop=until, restarts=restarts)
        except ChildFailedError as exc:
            failures.append(exc)
            stop.set()

    async def tell_ready() -> None:
        for event in ready:
            await event.wait()
        when_ready()

    async with asyncio.TaskGroup() as tasks:
        running: list[tuple[asyncio.Event, list[asyncio.Task[None]]]] = []
        for group in groups:
            until = asyncio.Event()
            events = [asyncio.Event() for _ in group]
            ready += events
            kept = [tasks.create_task(keep(child, event, until)) for child, event in zip(group, events, strict=True)]
            running.append((until, kept))
        telling = tasks.create_task(tell_ready())
        await stop.wait()
        for until, kept in reversed(running):
            until.set()
            await asyncio.gather(*kept)
        telling.cancel()
    if failures:
        raise failures[0]
