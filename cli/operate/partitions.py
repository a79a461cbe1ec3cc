"""`analytics partitions`: the sizes of the daily partitions of raw events."""

import asyncio
from collections.abc import Sequence

import click
import orjson

from runtime.logging import configure_logging
from runtime.settings import Settings
from runtime.terminal import bytes_text, count_text, examples, open_console, print_line, print_table
from storage.partitions import Partition, read_partitions
from storage.postgres.existing import open_existing


@click.command("partitions", epilog=examples("analytics partitions"))
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
def command(*, as_json: bool) -> None:
    """List the partitions of raw events, one a day (UTC).

    Rows are the estimates of Postgres; bytes include indexes.
    """
    settings = Settings.from_environment()
    configure_logging(level="warning", form=settings.log_format, process="partitions")
    partitions = asyncio.run(_read(settings))
    if as_json:
        listed = [{"day": one.day, "state": one.state, "rows": one.rows, "bytes": one.bytes} for one in partitions]
        click.echo(orjson.dumps({"partitions": listed}))
        return
    console = open_console()
    if not partitions:
        print_line(console, "There are no partitions.")
        return
    rows = [(str(one.day), one.state, count_text(one.rows), bytes_text(one.bytes)) for one in partitions]
    total = (
        "total",
        "",
        count_text(sum(one.rows for one in partitions)),
        bytes_text(sum(one.bytes for one in partitions)),
    )
    headings = ("Day (UTC)", "State", "Rows", "Bytes")
    print_table(console, "", headings, [*rows, total], numbers=frozenset({"Rows", "Bytes"}))


async def _read(settings: Settings) -> Sequence[Partition]:
    async with open_existing(settings.database_url, settings.data_dir) as database:
        return await read_partitions(database)
