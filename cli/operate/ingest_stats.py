"""`analytics ingest stats`: received = stored + duplicates + rejected + spooled + set aside, hour by hour."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import click
import orjson

from cli.render import count_text, open_console, print_line, print_table
from runtime.logging import configure_logging
from runtime.settings import Settings
from runtime.terminal import examples
from storage.postgres.existing import open_existing
from storage.write.ingest_ledger import BEGINNING, IngestHour, read_ingest_hours

DEFAULT_HOURS = 24
COLUMNS = ("received", "stored", "duplicates", "rejected", "spooled", "set_aside")


@click.command("stats", epilog=examples("analytics ingest stats", "analytics ingest stats --hours 0 --json"))
@click.option(
    "--hours",
    type=click.IntRange(0),
    default=DEFAULT_HOURS,
    show_default=True,
    metavar="N",
    help="Hours to look back; 0 for all.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
def command(hours: int, *, as_json: bool) -> None:
    """Count received events and their outcomes, by hour (UTC).

    The counts are exact. Spooled events wait on this machine for the database; once stored, they move to the other
    columns of the hour in which they were received. Events set aside are those that the database refused again and
    again: `analytics ingest aside` shows them and puts them back. Reads the database of DATABASE_URL or
    ANALYTICS_DATA_DIR, as the service does.
    """
    settings = Settings.from_environment()
    configure_logging(level="warning", form=settings.log_format, process="ingest")
    since = datetime.now(UTC) - timedelta(hours=hours - 1) if hours else BEGINNING
    found = asyncio.run(_read(settings, since))
    total = {name: sum(getattr(hour, name) for hour in found) for name in COLUMNS}
    if as_json:
        listed = [{"hour": hour.hour, **{name: getattr(hour, name) for name in COLUMNS}} for hour in found]
        click.echo(orjson.dumps({"hours": listed, "total": total}, option=orjson.OPT_UTC_Z))
        return
    console = open_console()
    if not found:
        print_line(console, "Nothing was received.")
    rows = [(f"{hour.hour:%Y-%m-%d %H:%M}", *(count_text(getattr(hour, name)) for name in COLUMNS)) for hour in found]
    totals = ("total", *(count_text(total[name]) for name in COLUMNS))
    headings = ["Hour (UTC)", *(name.capitalize().replace("_", " ") for name in COLUMNS)]
    print_table(console, "", headings, [*rows, totals] if rows else [], numbers=frozenset(headings[1:]))


async def _read(settings: Settings, since: datetime) -> Sequence[IngestHour]:
    async with open_existing(settings.database_url, settings.data_dir) as database:
        return await read_ingest_hours(database, settings.spool_folder, since=since)
