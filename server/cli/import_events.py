"""`analytics import`: sends the events of files to the service, each exactly once however often it is run."""

import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import click
import orjson
from rich.console import Console

from server.cli.chunks import DEFAULT_CHUNK_EVENTS, MOST_CHUNK_EVENTS, Chunk
from server.cli.client import address_option, open_channel
from server.cli.command_error import CommandError
from server.cli.event_progress import EventProgress
from server.cli.import_plan import PlannedFile, plan_import
from server.cli.main import EXIT_FAILED, EXIT_INTERRUPTED
from server.cli.render import open_console, print_line, print_table, printable
from server.cli.sender import ChunkSender
from sociallive.analytics.v1.track_pb2 import Rejection, TrackBatchResponse

MOST_SHOWN = 20
"""Rejected records that are shown one by one: enough to see what is wrong."""
GO_ON = "Run the same command again to go on: what is stored is recognised and counts as duplicate."


@dataclass(slots=True)
class ImportCounts:
    """What became of the records: received = stored + duplicates + rejected + spooled."""

    received: int = 0
    """Records read, and answered by the service or rejected here."""
    stored: int = 0
    duplicates: int = 0
    rejected: int = 0
    spooled: int = 0
    warnings: Counter[str] = field(default_factory=Counter)
    """What to mend in records that were taken, and in how many of them."""
    started_at_s: float = field(default_factory=time.monotonic)

    def add(self, chunk: Chunk, answer: TrackBatchResponse) -> None:
        """Count a chunk and its answer in."""
        self.received += answer.received + len(chunk.failures)
        self.stored += answer.stored
        self.duplicates += answer.duplicates
        self.rejected += answer.rejected + len(chunk.failures)
        self.spooled += answer.spooled
        self.warnings.update({warning.description: warning.events for warning in answer.warnings})

    def figures(self) -> dict[str, float]:
        """Return the counts, the seconds since the start, and the rate."""
        names = ("received", "stored", "duplicates", "rejected", "spooled")
        counts: dict[str, float] = {name: getattr(self, name) for name in names}
        elapsed_s = max(1e-3, time.monotonic() - self.started_at_s)
        return counts | {"seconds": round(elapsed_s, 3), "events_per_s": round(self.received / elapsed_s)}


@click.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--mapping", type=click.Path(path_type=Path), metavar="M.toml", help="What the columns of a CSV mean.")
@click.option(
    "--dataset", metavar="NAME", help="Part of the events' ids.  [default: the mapping's, or the file's name]"
)
@click.option(
    "--chunk-size",
    type=click.IntRange(1, MOST_CHUNK_EVENTS),
    default=DEFAULT_CHUNK_EVENTS,
    show_default=True,
    metavar="EVENTS",
    help="Events a stream carries, and at most are sent again when it breaks.",
)
@address_option
@click.option("--json", "as_json", is_flag=True, help="Print the counts as one line of JSON.")
def command(
    files: Sequence[str], mapping: Path | None, dataset: str | None, chunk_size: int, address: str, *, as_json: bool
) -> None:
    """Import events of any age from files, gzip or not; `-` is the standard input.

    Without --mapping each line is one event as JSON: {"eventType": "view", "userId": ..., "timestamp": ..., "data":
    {...}}, or with a typed payload, "view": {...}. With --mapping the files are CSV, and the mapping says which column
    goes where. `report events --ndjson` prints events in the first form.

    An event without an id gets one that is made from dataset, row number and content, so an import that broke is
    finished by running it again, and running it twice stores nothing twice.

    Exits with 0 when every record is stored, 1 when some were rejected, 2 when something is wrong with the command
    line, mapping or file, 3 when the service cannot be reached, 130 on Ctrl-C.
    """
    messages = open_console(stderr=True)
    counts = ImportCounts()
    try:
        import_files(plan_import(files, mapping, dataset), address, chunk_size, messages, counts)
    except KeyboardInterrupt:
        click.echo(f"Interrupted after {counts.received:,} records. {GO_ON}", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except CommandError:
        if counts.received:
            click.echo(f"Ended early, after {counts.received:,} records. {GO_ON}", err=True)
        raise
    _print_counts(counts, as_json=as_json)
    if counts.rejected:
        sys.exit(EXIT_FAILED)


def import_files(
    files: Sequence[PlannedFile], address: str, chunk_events: int, messages: Console, counts: ImportCounts
) -> None:
    """Send all files, one after the other.

    Args:
        files: what to send.
        address: HOST:PORT of the service.
        chunk_events: events a stream carries.
        messages: takes the progress and the rejected records.
        counts: is kept up to date, so that it tells how far an import came that ends with an error.

    Raises:
        CommandError: a file cannot be read further, or the service cannot be reached or refuses.
    """
    with open_channel(address) as channel, EventProgress(messages) as progress:
        sender = ChunkSender(channel, address, progress.write)
        sender.connect()
        for file in files:
            with file.open_chunks(chunk_events) as (opened, chunks), closing(sender.send_all(chunks)) as answers:
                progress.start(opened.name, opened.size_bytes)
                for chunk, answer in answers:
                    for line in _rejection_lines(opened.name, chunk, answer)[: max(0, MOST_SHOWN - counts.rejected)]:
                        progress.write(line)
                    counts.add(chunk, answer)
                    progress.advance(chunk.records, chunk.consumed_bytes)
    if counts.rejected > MOST_SHOWN:
        messages.print(f"... and {counts.rejected - MOST_SHOWN:,} more were rejected.")
    for description, events in sorted(counts.warnings.items()):
        print_line(messages, printable(f"warning: in {events:,} records {description}"))


def _rejection_lines(name: str, chunk: Chunk, answer: TrackBatchResponse) -> list[str]:
    """Say for each rejected record of a chunk where it stands and why, in the order of the file."""
    found = [(chunk.lines[item.index], _reason(item)) for item in answer.rejections if item.index < len(chunk.lines)]
    return [printable(f"{name}:{line}: {why}") for line, why in sorted(found + chunk.failures)]


def _reason(rejection: Rejection) -> str:
    violations = "; ".join(f"{item.field}: {item.description}" for item in rejection.violations)
    return f"{rejection.reason} {violations}".strip()


def _print_counts(counts: ImportCounts, *, as_json: bool) -> None:
    figures = counts.figures()
    if as_json:
        click.echo(orjson.dumps(figures))
        return
    columns = ["Received", "Stored", "Duplicates", "Rejected", "Spooled", "Seconds", "Events/s"]
    cells = [f"{value:,.1f}" if name == "seconds" else f"{value:,}" for name, value in figures.items()]
    print_table(open_console(), "", columns, [cells], numbers=frozenset(columns))
