"""`analytics worker`: one server process; the supervisor starts it."""

import asyncio
import gc
from pathlib import Path

import click
import uvloop

from runtime.logging import configure_logging
from runtime.settings import Settings, SettingsError
from runtime.supervised import stop_on_signals, supervised
from server.processes.worker import run_worker

COLLECT_AFTER_OBJECTS = 50_000
"""About the objects of a full write; Python's own 700 would look for cycles several times a message."""


@click.command(name="worker", hidden=True)
@click.option("--name", default="worker", help="Its name in the logs.")
@click.option("--socket", "own_socket", type=Path, help="Unix socket to listen on beside the shared port.")
@click.option("--admin-socket", type=Path, help="Unix socket for the admin port, in place of the port itself.")
@click.option("--ready-fd", type=int, help="File descriptor that signals the supervisor that it serves.")
def command(name: str, own_socket: Path | None, admin_socket: Path | None, ready_fd: int | None) -> None:
    """Run one server process on a migrated database."""
    settings = Settings.from_environment()
    configure_logging(level=settings.log_level, form=settings.log_format, process=name)
    if settings.database_url is None:
        raise SettingsError("a worker needs DATABASE_URL; `analytics serve` can run its own database")
    tune_collector()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(settings, settings.database_url, own_socket, admin_socket, ready_fd))


def tune_collector() -> None:
    """Have the cyclic collector run seldom, and not look at what lives as long as the process.

    Events make no cycles: reference counting frees them, and looking through thousands of waiting ones finds nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER_OBJECTS, *gc.get_threshold()[1:])


async def _run(
    settings: Settings, database_url: str, own_socket: Path | None, admin_socket: Path | None, ready_fd: int | None
) -> None:
    stop = asyncio.Event()
    stop_on_signals(stop)
    async with supervised(ready_fd, stop, grace_s=settings.drain_s) as report_ready:
        await run_worker(
            settings,
            database_url=database_url,
            own_socket=own_socket,
            admin_socket=admin_socket,
            report_ready=report_ready,
            stop=stop,
        )
