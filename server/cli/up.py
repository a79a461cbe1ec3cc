"""`analytics up`: everything."""

import asyncio

import click

from runtime.logging import configure_logging
from runtime.settings import Settings
from server.service import run_service


@click.command(name="up")
def command() -> None:
    """Run the whole service: database, migrations, server, jobs and the API gateway."""
    settings = Settings.from_environment()
    configure_logging(level=settings.log_level, form=settings.log_format, process="main")
    asyncio.run(run_service(settings, complete=True))
