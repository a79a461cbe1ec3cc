"""`analytics export`: writes stored events to a file that other tools read, or to the standard output."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click
from google.protobuf.timestamp_pb2 import Timestamp

from cli.client import address_option
from cli.command_error import CommandError
from cli.event_progress import EventProgress
from cli.export.formats import FORMATS, EventWriter
from cli.main import EXIT_FAILED, EXIT_INTERRUPTED
from cli.render import count_text, open_console
from cli.report.events import list_pages
from cli.scope import ScopeOptions, range_options
from runtime.terminal import examples
from sociallive.analytics.v1.event_list_pb2 import ListEventsRequest

STDOUT = "-"
EVER = Timestamp(seconds=0)
"""An export without a range holds all there is; no event is older."""


@click.command(
    "export",
    epilog=examples(
        "analytics export --out events.ndjson",
        "analytics export --out large.csv --filter 'purchase:amount>=20'",
    ),
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(list(FORMATS)),
    help="Format of the file.  [default: from the name of FILE]",
)
@click.option("--out", required=True, metavar="FILE", help="File to write; - is standard output (not for parquet).")
@range_options
@click.option("--type", "event_type", default="", metavar="TYPE", help="Only events of this type, as in `view`.")
@click.option("--user", "user_id", default="", metavar="ID", help="Only events of this user.")
@click.option("--session", "session_id", default="", metavar="ID", help="Only events of this session.")
@click.option(
    "--filter", "filter_", default="", metavar="STEP", help="Only events that match, as in `purchase:amount>=20`."
)
@address_option
def command(
    *,
    format_name: str | None,
    out: str,
    scope: ScopeOptions,
    event_type: str,
    user_id: str,
    session_id: str,
    filter_: str,
    address: str,
) -> None:
    """Write stored events to a file, newest first.

    The formats are NDJSON (which `import` reads), CSV and Parquet. Without a range it writes all events. The file holds
    each event that was stored when the export began exactly once, and may hold events that were stored meanwhile.
    """
    format_name = format_name or Path(out).suffix.removeprefix(".")
    if format_name not in FORMATS:
        raise click.UsageError(f"FILE ends with none of {', '.join(FORMATS)}; choose a format with --format")
    if out == STDOUT and format_name == "parquet":
        raise click.UsageError("parquet cannot be streamed; give a FILE with --out")
    request = ListEventsRequest(
        **scope.fields(), event_type=event_type, user_id=user_id, session_id=session_id, filter=filter_
    )
    if not request.timeframe and not request.HasField("start_time"):
        request.start_time.CopyFrom(EVER)
    writer = FORMATS[format_name]()
    try:
        with opened(out) as file:
            count = export_events(address, request, writer, file)
    except KeyboardInterrupt:
        left = "" if out == STDOUT else f"; {out} is unchanged"
        raise CommandError(f"interrupted{left}", exit_code=EXIT_INTERRUPTED) from None
    except BrokenPipeError:  # the reader of the standard output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    except OSError as exc:
        raise CommandError(f"cannot write {out}: {exc.strerror or exc}", exit_code=EXIT_FAILED) from exc
    if out != STDOUT:
        open_console(stderr=True).print(f"{count_text(count)} events in {out}", soft_wrap=True)


def export_events(address: str, request: ListEventsRequest, writer: EventWriter, file: BinaryIO) -> int:
    """Write every event that the request asks for, one page in memory at a time; return how many.

    Raises:
        CallError: the service cannot be reached, or refuses the question.
        OSError: the file cannot be written.
    """
    count = 0
    with EventProgress(open_console(stderr=True)) as progress, writer.writing(file) as write:
        for page in list_pages(address, request, None):
            start_s, end_s = page.info.start_time.seconds, page.info.end_time.seconds
            if not count:
                progress.start("export", end_s - start_s if start_s else None)
            write(page.events)
            count += len(page.events)
            oldest_s = page.events[-1].timestamp.seconds if page.next_page_token else start_s
            progress.advance(len(page.events), end_s - oldest_s)
    return count


@contextmanager
def opened(out: str) -> Iterator[BinaryIO]:
    """Open the file under another name, and give it its own when all is written; only its owner may read it.

    When the body fails, nothing stays, and a file that was there before is as it was.

    Raises:
        OSError: it cannot be written.
    """
    if out == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(out)
    descriptor, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(part).replace(path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise
