"""`analytics import`: sends the events of files to the service, each exactly once however often it is run."""

import sys
import time
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import click
import orjson
from rich.console import Console

from cli.client import address_option, open_channel
from cli.command_error import CommandError
from cli.event_progress import EventProgress
from cli.import_.chunks import DEFAULT_CHUNK_EVENTS, MOST_CHUNK_EVENTS, Chunk
from cli.import_.dry_run import ChunkChecker
from cli.import_.plan import PlannedFile, plan_import
from cli.import_.problems import Problem, Problems, problem_of, problems_of
from cli.import_.records import Source
from cli.import_.rejects import CHUNK_EVENTS, RejectsFile
from cli.import_.sender import ChunkSender
from cli.main import EXIT_FAILED, EXIT_INTERRUPTED
from cli.render import count_text, open_console, print_line, print_table, printable
from runtime.settings import Settings
from runtime.terminal import examples
from sociallive.analytics.v1.track_pb2 import TrackBatchResponse

DRY_RUN = "Dry run: nothing was sent. Stored counts the valid records; only an import finds duplicates."
GO_ON = "Run the same command again to continue: records that are already stored count as duplicates."


@dataclass(slots=True)
class ImportCounts:
    """The outcomes of the records: received = stored + duplicates + rejected + spooled."""

    received: int = 0
    """Records read, and answered by the service or rejected here."""
    stored: int = 0
    duplicates: int = 0
    rejected: int = 0
    spooled: int = 0
    warnings: Counter[str] = field(default_factory=Counter)
    """The warnings for accepted records, each with the number of records."""
    problems: Problems = field(default_factory=Problems)
    """The problems of the rejected records."""
    started_at_s: float = field(default_factory=time.monotonic)

    def add(self, chunk: Chunk, answer: TrackBatchResponse) -> None:
        """Count a chunk and its response in."""
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


class Answerer(Protocol):
    """Sends chunks to the service, or checks them locally in a dry run."""

    def send_all(self, chunks: Iterator[Chunk]) -> Generator[tuple[Chunk, TrackBatchResponse], None, None]:
        """Yield each chunk with its response, in order."""


@click.command(
    "import",
    epilog=examples(
        "analytics import events.ndjson.gz",
        "analytics import sales.csv --mapping sales.toml --dry-run",
        "analytics import sales.csv --mapping sales.toml --rejects rejects.csv",
        "analytics import 2024-*.csv --mapping sales.toml --dataset 'sales-{file}'",
    ),
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--mapping",
    type=click.Path(path_type=Path),
    metavar="M.toml",
    help="Mapping from the columns of a CSV to fields of events; the files are CSV.",
)
@click.option(
    "--dataset",
    metavar="NAME",
    help="Name from which event ids are derived; {file} is the file's name.  "
    "[default: from the mapping, or the file's name]",
)
@click.option("--dry-run", is_flag=True, help="Check every record and send nothing; needs no service.")
@click.option(
    "--rejects",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="REJECTS",
    help="Write rejected records to this file, to be corrected and imported. Takes one FILE.",
)
@click.option(
    "--chunk-size",
    type=click.IntRange(1, MOST_CHUNK_EVENTS),
    default=DEFAULT_CHUNK_EVENTS,
    show_default=True,
    metavar="EVENTS",
    help="Events per stream; at most this many are resent when a stream breaks.",
)
@address_option
@click.option("--json", "as_json", is_flag=True, help="Print the counts as one line of JSON.")
def command(
    files: Sequence[str],
    mapping: Path | None,
    dataset: str | None,
    rejects: Path | None,
    chunk_size: int,
    address: str,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Import events of any age from files.

    A FILE may be compressed with gzip; `-` is the standard input. Without --mapping each line is one event as JSON:
    {"eventType": "view", "timestamp": "2024-01-31T12:00:00Z", "data": {...}}. With --mapping the files are CSV.

    An event without an id gets one made from dataset, row number and content. So an import that broke off is completed
    by running it again, and importing a file twice stores nothing twice.

    Exits with 0 if every record is stored (or valid, with --dry-run), 1 if some were rejected, 2 if the command line,
    the mapping or a file is wrong, 3 if the service cannot be reached, and 130 on Ctrl-C.
    """
    if rejects is not None and len(files) > 1:
        raise click.UsageError("--rejects takes one FILE at a time")
    messages = open_console(stderr=True)
    counts = ImportCounts()
    rejects_file = None if rejects is None else RejectsFile(rejects)
    try:
        plan = plan_import(files, mapping, dataset)
        chunk_events = chunk_size if rejects_file is None else min(chunk_size, CHUNK_EVENTS)
        with EventProgress(messages) as progress, _answerer(address, progress, dry_run=dry_run) as answerer:
            import_files(plan, answerer, chunk_events, progress, counts, rejects_file)
    except KeyboardInterrupt:
        click.echo(f"Interrupted after {counts.received:,} records. {GO_ON}", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except CommandError:
        if counts.received:
            click.echo(f"Ended early, after {counts.received:,} records. {GO_ON}", err=True)
        raise
    finally:
        _print_problems(messages, counts, rejects_file)
    _print_counts(counts, as_json=as_json)
    if dry_run:
        print_line(messages, DRY_RUN)
    if counts.rejected:
        sys.exit(EXIT_FAILED)


def import_files(
    files: Sequence[PlannedFile],
    answerer: Answerer,
    chunk_events: int,
    progress: EventProgress,
    counts: ImportCounts,
    rejects: RejectsFile | None,
) -> None:
    """Send all files, one after the other.

    Args:
        files: what to send.
        answerer: takes the chunks.
        chunk_events: events a stream carries.
        progress: shows how far it is.
        counts: is kept up to date, so that it shows how far an import got before an error.
        rejects: takes the rejected records.

    Raises:
        CommandError: a file cannot be read further, the service cannot be reached or refuses, or `rejects` cannot be
            written.
    """
    for file in files:
        with file.open_chunks(chunk_events) as opened, closing(answerer.send_all(opened.chunks)) as answers:
            progress.start(opened.file.name, opened.file.size_bytes)
            for chunk, answer in answers:
                counts.add(chunk, answer)
                counts.problems.untold += answer.rejected - len(answer.rejections)
                for source, problems in _rejected(chunk, answer):
                    counts.problems.add(f"{opened.file.name}:{source.line}", problems)
                    if rejects is not None:
                        rejects.write(opened.header, source, problems)
                progress.advance(chunk.records, chunk.consumed_bytes)


@contextmanager
def _answerer(address: str, progress: EventProgress, *, dry_run: bool) -> Iterator[Answerer]:
    """Connect to the service, or set up a dry run.

    Raises:
        CallError: the service cannot be reached.
    """
    if dry_run:
        yield ChunkChecker(Settings.from_environment())
        return
    with open_channel(address) as channel:
        sender = ChunkSender(channel, address, progress.write)
        sender.connect()
        yield sender


def _rejected(chunk: Chunk, answer: TrackBatchResponse) -> list[tuple[Source, list[Problem]]]:
    """List the rejected records of a chunk and what is wrong with each, in the order of the file."""
    found = [
        (chunk.sources[item.index], problems_of(item)) for item in answer.rejections if item.index < len(chunk.sources)
    ]
    return sorted(found + [(source, [problem_of(error)]) for source, error in chunk.failures])


def _print_problems(messages: Console, counts: ImportCounts, rejects: RejectsFile | None) -> None:
    """Print the rejections and their reasons, the warnings for the others, and where the rejected records are."""
    for line in counts.problems.lines():
        messages.print(line, soft_wrap=True)
    for description, events in sorted(counts.warnings.items()):
        print_line(messages, printable(f"warning: in {events:,} records {description}"))
    if rejects is not None and rejects.records:
        rejects.close()
        told = (
            f"{count_text(rejects.records)} rejected records are in {rejects.path}: correct them there, and import it"
        )
        messages.print(f"{told} with the same mapping and dataset.", soft_wrap=True)


def _print_counts(counts: ImportCounts, *, as_json: bool) -> None:
    figures = counts.figures()
    if as_json:
        click.echo(orjson.dumps(figures))
        return
    columns = ["Received", "Stored", "Duplicates", "Rejected", "Spooled", "Seconds", "Events/s"]
    cells = [f"{value:,.1f}" if name == "seconds" else f"{value:,}" for name, value in figures.items()]
    print_table(open_console(), "", columns, [cells], numbers=frozenset(columns))
