"""`analytics serve`: the server without the jobs."""

import asyncio

import click

from runtime.logging import configure_logging
from runtime.settings import Settings
from runtime.terminal import examples
from server.processes.service import run_service


@click.command("serve", epilog=examples("DATABASE_URL=postgresql://db.example/analytics analytics serve"))
def command() -> None:
    """Run the database and the servers only.

    Like `up`, without the jobs and the API gateway, which run elsewhere.
    """
    settings = Settings.from_environment()
    configure_logging(level=settings.log_level, form=settings.log_format, process="main")
    asyncio.run(run_service(settings, complete=False))
