"""`analytics ingest aside`: shows spooled events that the database refused, and puts them back."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import orjson

from cli.main import EXIT_FAILED
from cli.render import count_text, open_console, print_line, print_table
from runtime.logging import configure_logging
from runtime.settings import Settings
from runtime.terminal import examples
from storage.postgres.errors import DatabaseMissingError
from storage.spool import SetAside, list_aside, put_back, read_aside
from storage.write.batch import COLUMNS, REJECTION_COLUMNS


@click.group("aside", epilog=examples("analytics ingest aside list", "analytics ingest aside put-back --all"))
def command() -> None:
    """Inspect and retry spooled events that were set aside.

    The database refused them again and again. They are in files in the folder "aside" of the spool, on the machine
    whose service took them, and `analytics ingest stats` counts them as set aside. Reads ANALYTICS_DATA_DIR as the
    service does; neither the service nor the database needs to run.
    """
    configure_logging(level="warning", form="console", process="ingest")


@command.command("list", epilog=examples("analytics ingest aside list", "analytics ingest aside list --json"))
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON per file.")
def list_files(*, as_json: bool) -> None:
    """List the files, each with its time, error and number of events."""
    found = list_aside(_spool_folder())
    if as_json:
        for each in found:
            described = {
                "name": each.name,
                "setAsideAt": each.set_aside_at,
                "error": each.error,
                "events": each.events,
                "path": str(each.path.resolve()),
            }
            click.echo(orjson.dumps(described, option=orjson.OPT_UTC_Z))
        return
    console = open_console()
    if not found:
        print_line(console, "Nothing is set aside.")
        return
    rows = [
        (each.name, f"{each.set_aside_at:%Y-%m-%d %H:%M:%S}", each.error, count_text(each.events)) for each in found
    ]
    print_table(console, "", ("Name", "Set aside (UTC)", "Error", "Events"), rows, numbers=frozenset({"Events"}))


@command.command("show", epilog=examples("analytics ingest aside show 01890a5d-1"))
@click.argument("name")
def show(name: str) -> None:
    """Print the events of a file, one line of JSON each.

    Rejected events come with their violations.
    """
    (aside,) = _find(_spool_folder(), (name,))
    batch = read_aside(aside)
    for columns, rows in ((COLUMNS, batch.rows), (REJECTION_COLUMNS, batch.rejections)):
        for row in rows:
            event = {column: value for column, value in zip(columns, row, strict=True) if value is not None}
            click.echo(orjson.dumps(event, default=_text, option=orjson.OPT_UTC_Z))


@command.command("put-back", epilog=examples("analytics ingest aside put-back --all"))
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Put back all files.")
def put_files_back(names: Sequence[str], *, everything: bool) -> None:
    """Put files back into the spool.

    A service on the same data directory stores their events within seconds. First correct what the error names, or they
    are set aside again. Each event is stored once, even if its file is put back twice.
    """
    if bool(names) == everything:
        raise click.UsageError("name the files to put back, or give --all")
    folder = _spool_folder()
    chosen = list_aside(folder) if everything else _find(folder, names)
    for aside in chosen:
        asyncio.run(put_back(folder, aside))
        click.echo(f"{aside.name}: {aside.events} events are in the spool again")
    if not chosen:
        click.echo("Nothing is set aside.")


def _spool_folder() -> Path:
    settings = Settings.from_environment()
    if not settings.data_dir.is_dir():
        raise DatabaseMissingError(
            f"there is no data of a service in {settings.data_dir.resolve()}: start one with `analytics up`, or name "
            "the folder of its data with ANALYTICS_DATA_DIR"
        )
    return settings.spool_folder


def _find(folder: Path, names: Sequence[str]) -> list[SetAside]:
    known = {each.name: each for each in list_aside(folder)}
    for name in names:
        if name not in known:
            click.echo(f"analytics: no file {name!r} is set aside in {folder}; see `ingest aside list`", err=True)
            sys.exit(EXIT_FAILED)
    return [known[name] for name in dict.fromkeys(names)]


def _text(value: object) -> str:
    """Write what JSON lacks: the bytes of a rejected event."""
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)
