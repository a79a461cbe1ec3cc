"""`analytics schemas validate`: what is wrong with the events of a file, before they are sent."""

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

import click
import orjson
from google.api.httpbody_pb2 import HttpBody
from rich.console import Console

from cli.client import address_option, open_channel, schema_stub, translated_errors
from cli.command_error import CommandError
from cli.import_.records import RecordError, Records, Source
from cli.import_.sources import MAX_LINE_BYTES, ImportFile, begins_document, first_line, json_lines, open_file
from cli.main import EXIT_FAILED, EXIT_USAGE
from cli.render import count_text, open_console, print_line, printable
from events.json.scanner import ScanError, split_list
from runtime.terminal import examples
from sociallive.analytics.v1.schema_service_pb2 import ValidateRequest

VALIDATE_TIMEOUT_S = 10.0
"""A dry run takes microseconds; a service that needs longer than this is stuck."""
MAX_DOCUMENT_BYTES = 64 * 1024 * 1024
"""A document is held in memory; larger files hold one event a line, and are read line by line."""
TOO_LONG = "TOO_LONG"
"""Stands for a rule where a record is not sent at all."""


@dataclass(slots=True)
class Verdict:
    """What the service says about one event."""

    line: int
    """Its line in the file; in a document, its place among the events. Counted from 1."""
    violations: list[dict[str, str]] = field(default_factory=list)
    """Each with `field` (as JSON callers write it), `rule` and `description`."""
    warnings: list[str] = field(default_factory=list)


@click.command(
    "validate", epilog=examples("analytics schemas validate events.ndjson", "analytics schemas validate - < event.json")
)
@click.argument("path", metavar="FILE|-")
@address_option
@click.option("--json", "as_json", is_flag=True, help="Print one document of JSON.")
def command(path: str, address: str, *, as_json: bool) -> None:
    """Check the events of a file; store nothing.

    FILE holds one JSON event a line, or one JSON document: an event or a list of events. It may be compressed with
    gzip; `-` is the standard input. Prints every problem as FILE:LINE: FIELD: problem (RULE).

    Exits with 0 if all events are valid, 1 if one is not, and 3 if the service cannot be reached.
    """
    console = open_console()
    found = []
    with open_file(path) as file:
        for verdict in check_events(address, _records(file)):
            found.append(verdict)
            if not as_json:
                _print_violations(console, file.name, verdict)
    invalid = sum(1 for verdict in found if verdict.violations)
    if as_json:
        counts = {"events": len(found), "valid": len(found) - invalid, "invalid": invalid}
        click.echo(orjson.dumps(counts | {"results": [asdict(verdict) for verdict in found]}))
    else:
        _print_summary(console, found, invalid)
    if invalid:
        sys.exit(EXIT_FAILED)


def check_events(address: str, records: Records[bytes]) -> Iterator[Verdict]:
    """Ask the service about each event, in order, and hand it the bytes of the file to judge.

    Raises:
        CallError: the service cannot be reached.
    """
    with open_channel(address) as channel:
        stub = schema_stub(channel)
        for source, record in records:
            if isinstance(record, RecordError):
                yield Verdict(source.line, [{"field": "", "rule": TOO_LONG, "description": str(record)}])
                continue
            request = ValidateRequest(body=HttpBody(content_type="application/json", data=record))
            with translated_errors(address):
                answer = stub.Validate(request, timeout=VALIDATE_TIMEOUT_S)
            violations = [
                {"field": each.field, "rule": each.rule, "description": each.description} for each in answer.violations
            ]
            yield Verdict(source.line, violations, list(answer.warnings))


def _records(file: ImportFile) -> Records[bytes]:
    """Read one event a line, or a document that is an event or a list of them."""
    if file.begins_list():
        return _items(file, b"")
    first = first_line(file)
    return _items(file, first) if begins_document(first) else json_lines(file, first)


def _items(file: ImportFile, beginning: bytes) -> Records[bytes]:
    """Yield each event of a document, to the byte; its line is its place among them.

    Raises:
        CommandError: the document is too large, or cut off.
    """
    rest = file.read_document(MAX_DOCUMENT_BYTES)
    if rest is None:
        raise _usage(file, f"is a document of more than {MAX_DOCUMENT_BYTES // 2**20} MiB; write one event per line")
    try:
        events = split_document(beginning + rest)
    except ScanError as exc:
        raise _usage(file, f"is neither JSON nor one event per line: {exc}") from exc
    for number, event in enumerate(events, 1):
        too_long = RecordError(f"is longer than {MAX_LINE_BYTES:,} bytes") if len(event) > MAX_LINE_BYTES else None
        yield Source(number, number, event), too_long or event


def split_document(text: bytes) -> list[bytes]:
    """Split a list into its items, each to the byte; any other document is a single item.

    Items are not parsed; an item may be no JSON at all.

    Raises:
        ScanError: a list is not closed, or has extra data after its end.
    """
    text = text.strip()
    if not text.startswith(b"["):
        return [text]
    spans, end = split_list(text, 1, len(text))
    if end != len(text):
        raise ScanError("the list is not closed" if end is None else "there is extra data after the end of the list")
    return [text[start:stop] for start, stop in spans]


def _usage(file: ImportFile, why: str) -> CommandError:
    return CommandError(f"{file.name}: {why}", exit_code=EXIT_USAGE)


def _print_violations(console: Console, name: str, verdict: Verdict) -> None:
    for violation in verdict.violations:
        where = f"{violation['field']}: " if violation["field"] else ""
        told = f"{name}:{verdict.line}: {where}{violation['description']} ({violation['rule']})"
        print_line(console, printable(told))


def _print_summary(console: Console, found: list[Verdict], invalid: int) -> None:
    for warning, count in Counter(warning for verdict in found for warning in verdict.warnings).items():
        print_line(console, printable(f"warning, {_events(count)}: {warning}"), "dim")
    print_line(
        console, f"{_events(len(found))}: {count_text(len(found) - invalid)} valid, {count_text(invalid)} invalid"
    )


def _events(count: int) -> str:
    return "1 event" if count == 1 else f"{count_text(count)} events"
