"""`analytics serve`: the server without the jobs."""

import asyncio

import click

from runtime.logging import configure_logging
from runtime.settings import Settings
from server.service import run_service


@click.command(name="serve")
def command() -> None:
    """Run database, migrations and server; jobs and gateway run elsewhere."""
    settings = Settings.from_environment()
    configure_logging(level=settings.log_level, form=settings.log_format, process="main")
    asyncio.run(run_service(settings, complete=False))
