"""`analytics migrate`: bring the database's schema up to date."""

import asyncio

import click
import orjson

from runtime.logging import configure_logging
from runtime.settings import Settings
from server.service import provide_database
from storage.migrate import migrate


@click.command(name="migrate")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(*, as_json: bool) -> None:
    """Bring the database's schema up to date; harmless to repeat, and safe beside a running service."""
    settings = Settings.from_environment()
    configure_logging(level=settings.log_level, form=settings.log_format, process="migrate")
    before, after = asyncio.run(_run(settings))
    if as_json:
        click.echo(orjson.dumps({"from": before, "to": after}).decode())
    elif before == after:
        click.echo(f"The database is up to date at {after}.")
    else:
        click.echo(f"The database went from {before or 'empty'} to {after}.")


async def _run(settings: Settings) -> tuple[str | None, str]:
    async with provide_database(settings, asyncio.Event()) as database_url:
        return await migrate(database_url)
