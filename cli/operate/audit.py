"""`analytics audit`: lists who changed which data."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import click
import orjson

from runtime.logging import configure_logging
from runtime.settings import Settings
from runtime.terminal import bytes_text, count_text, examples, open_console, print_line, print_table
from storage.audit import AuditEntry, read_audit
from storage.postgres.existing import open_existing

DEFAULT_ENTRIES = 20
MOST_ENTRIES = 10_000


@click.command("audit", epilog=examples("analytics audit", "analytics audit --action retention --limit 5"))
@click.option("--action", metavar="NAME", help="Only this action, such as the name of a job.")
@click.option(
    "--limit",
    type=click.IntRange(1, MOST_ENTRIES),
    default=DEFAULT_ENTRIES,
    show_default=True,
    metavar="N",
    help="Maximum number of entries to list.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON per entry.")
def command(action: str | None, limit: int, *, as_json: bool) -> None:
    """List the newest entries of the audit log.

    Each says who did what, to which range of events, and how it ended.
    """
    settings = Settings.from_environment()
    configure_logging(level="warning", form=settings.log_format, process="audit")
    entries = asyncio.run(_read(settings, action, limit))
    if as_json:
        for entry in entries:
            click.echo(orjson.dumps(asdict(entry), option=orjson.OPT_UTC_Z))
        return
    console = open_console()
    if not entries:
        print_line(console, "The audit log has no matching entries.")
    headings = ("Started (UTC)", "Action", "Outcome", "Seconds", "Rows", "Bytes", "Range", "By", "Arguments")
    rows = [
        (
            f"{entry.started_at:%Y-%m-%d %H:%M:%S}",
            entry.action,
            entry.outcome,
            f"{entry.duration_s:.1f}",
            count_text(entry.rows),
            bytes_text(entry.bytes),
            _range_text(entry),
            entry.actor,
            _arguments_text(entry),
        )
        for entry in entries
    ]
    print_table(console, "", headings, rows, numbers=frozenset({"Seconds", "Rows", "Bytes"}))


async def _read(settings: Settings, action: str | None, limit: int) -> Sequence[AuditEntry]:
    async with open_existing(settings.database_url, settings.data_dir) as database:
        return await read_audit(database, limit=limit, action=action)


def _arguments_text(entry: AuditEntry) -> str:
    """Write what was asked for, as in `dry_run=true, from=2026-01-01T00:00:00Z`."""
    arguments = entry.details.get("arguments")
    if not isinstance(arguments, Mapping):
        return ""
    return ", ".join(
        f"{name}={value if isinstance(value, str) else orjson.dumps(value).decode()}"
        for name, value in arguments.items()
    )


def _range_text(entry: AuditEntry) -> str:
    start = f"{entry.range_start:%Y-%m-%d %H:%M}" if entry.range_start else ""
    end = f"{entry.range_end:%Y-%m-%d %H:%M}" if entry.range_end else ""
    return f"{start} to {end}".strip() if start or end else "-"
