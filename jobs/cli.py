"""`analytics jobs`: what runs by the clock."""

import asyncio

import click

from jobs.schedule import JOBS, run_schedule
from runtime.logging import configure_logging
from runtime.settings import Settings, SettingsError
from runtime.supervision import report_ready, stop_on_signals, watch_parent
from storage.database import Database


@click.command(
    name="jobs",
    help="Run the jobs by the clock: " + "; ".join(f"{job.name} ({job.cron}): {job.purpose}" for job in JOBS) + ".",
)
@click.option("--ready-fd", type=int, hidden=True, help="File descriptor to tell the supervisor that it runs.")
def command(ready_fd: int | None) -> None:
    """Run the jobs by the clock, on a migrated database."""
    settings = Settings.from_environment()
    configure_logging(level=settings.log_level, form=settings.log_format, process="jobs")
    if settings.database_url is None:
        raise SettingsError("the jobs need DATABASE_URL; `analytics up` runs them on its own database")
    asyncio.run(_run(settings.database_url, ready_fd))


async def _run(database_url: str, ready_fd: int | None) -> None:
    stop = asyncio.Event()
    stop_on_signals(stop)
    database = await Database.open(database_url)
    try:
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(watch_parent(stop)) if ready_fd is not None else None
            report_ready(ready_fd)
            await run_schedule(database, stop)
            if watching is not None:
                watching.cancel()
    finally:
        await database.close()
