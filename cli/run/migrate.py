"""`analytics migrate`: bring the database's schema up to date."""

import asyncio

import click
import orjson

from runtime.logging import configure_logging
from runtime.settings import Settings
from runtime.terminal import examples
from server.processes.database import describe_database, provide_database

WAIT_S = 30.0
"""A database that starts beside this command, as in a deployment, is there by then; then a person should look."""


@click.command("migrate", epilog=examples("DATABASE_URL=postgresql://db.example/analytics analytics migrate"))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(*, as_json: bool) -> None:
    """Bring the schema of the database up to date.

    It is safe to repeat, also while a service is running. It waits up to 30 seconds for a database that is unavailable.
    Without DATABASE_URL the database is the embedded Postgres in ANALYTICS_DATA_DIR, which is created if missing.
    """
    settings = Settings.from_environment()
    configure_logging(level=settings.log_level, form=settings.log_format, process="migrate")
    before, after = asyncio.run(_run(settings))
    database = describe_database(settings)
    if as_json:
        click.echo(orjson.dumps({"from": before, "to": after, "database": database}))
    elif before == after:
        click.echo(f"{_capitalized(database)} is up to date at {after}.")
    else:
        click.echo(f"{_capitalized(database)} went from {before or 'empty'} to {after}.")


async def _run(settings: Settings) -> tuple[str | None, str]:
    from storage.postgres.migrate import migrate  # noqa: PLC0415 - as in server.processes.service

    async with provide_database(settings, asyncio.Event(), wait_s=WAIT_S) as database_url:
        return await migrate(database_url)


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]
