"""`analytics up`: everything."""

import asyncio

import click

from runtime.logging import configure_logging
from runtime.settings import Settings
from runtime.terminal import examples
from server.processes.service import run_service


@click.command("up", epilog=examples("analytics up", "PORT=8080 GRPC_PORT=50052 analytics up"))
def command() -> None:
    """Run the whole service, until Ctrl-C.

    Starts the database (unless DATABASE_URL names one), brings its schema up to date, and runs the servers, the jobs
    and the API gateway.
    """
    settings = Settings.from_environment()
    configure_logging(level=settings.log_level, form=settings.log_format, process="main")
    asyncio.run(run_service(settings, complete=True))
