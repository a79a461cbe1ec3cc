"""The formats of an export: NDJSON as the service reads it, CSV and Parquet with a column for each field."""

import csv
import importlib
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, BinaryIO, Protocol

import orjson
from google.protobuf import json_format

from cli.command_error import CommandError
from cli.main import EXIT_USAGE
from events.catalogue import load_catalogue
from events.event_type import Kind
from sociallive.analytics.v1.event_pb2 import Event

ENVELOPE = (
    "event_id",
    "event_type",
    "schema_version",
    "timestamp",
    "received_at",
    "timestamp_source",
    "user_id",
    "session_id",
    "sequence",
    "platform",
    "user_agent",
)
"""What all events have on reads; the device's fields and those of every event type follow."""
TIMES = frozenset({"timestamp", "receivedAt"})
ROW_GROUP_EVENTS = 50_000
"""Events that Parquet writes at once: enough to compress well, little to hold."""

Write = Callable[[Sequence[Event]], None]


class EventWriter(Protocol):
    """Writes events in a format."""

    def writing(self, file: BinaryIO) -> AbstractContextManager[Write]:
        """Begin with a file; the context's end writes what the format has at its end."""


class NdjsonWriter:
    """Protobuf JSON, one event a line."""

    @contextmanager
    def writing(self, file: BinaryIO) -> Iterator[Write]:
        """Write lines."""

        def write(events: Sequence[Event]) -> None:
            lines = [json_format.MessageToJson(event, indent=None, ensure_ascii=False) for event in events]
            file.write("".join(f"{line}\n" for line in lines).encode())

        yield write


class CsvWriter:
    """A heading, and a line for each event; objects and lists are JSON, what an event lacks is empty."""

    @contextmanager
    def writing(self, file: BinaryIO) -> Iterator[Write]:
        """Write lines."""
        names = list(columns())

        def write_rows(rows: Sequence[Sequence[Any]]) -> None:
            lines = io.StringIO()
            csv.writer(lines).writerows(rows)
            file.write(lines.getvalue().encode())

        def write(events: Sequence[Event]) -> None:
            write_rows([[_cell(row.get(name)) for name in names] for row in map(flat, events)])

        write_rows([names])
        yield write


class ParquetWriter:
    """A table with typed columns, written in groups of rows."""

    def __init__(self) -> None:
        """Find pyarrow, which is no part of the service.

        Raises:
            CommandError: it is not installed.
        """
        try:
            self._arrow = importlib.import_module("pyarrow")
            self._parquet = importlib.import_module("pyarrow.parquet")
        except ImportError as exc:
            raise CommandError(
                "parquet needs pyarrow: pip install 'sociallive-analytics[export]'", exit_code=EXIT_USAGE
            ) from exc

    @contextmanager
    def writing(self, file: BinaryIO) -> Iterator[Write]:
        """Write groups of rows."""
        arrow = self._arrow
        types = {
            Kind.TEXT: arrow.string(),
            Kind.NUMBER: arrow.float64(),
            Kind.INTEGER: arrow.int64(),
            Kind.FLAG: arrow.bool_(),
            Kind.TEXTS: arrow.list_(arrow.string()),
            Kind.OBJECT: arrow.string(),
        }
        time = arrow.timestamp("us", tz="UTC")
        schema = arrow.schema([(name, time if name in TIMES else types[kind]) for name, kind in columns().items()])
        rows: list[dict[str, Any]] = []

        with self._parquet.ParquetWriter(file, schema, compression="zstd") as parquet:

            def flush() -> None:
                parquet.write_table(arrow.Table.from_pylist(rows, schema=schema))
                rows.clear()

            def write(events: Sequence[Event]) -> None:
                rows.extend(map(_typed, events))
                if len(rows) >= ROW_GROUP_EVENTS:
                    flush()

            yield write
            flush()


FORMATS: dict[str, Callable[[], EventWriter]] = {"ndjson": NdjsonWriter, "csv": CsvWriter, "parquet": ParquetWriter}
"""What the formats are called, and what a file's name ends with."""


def columns() -> dict[str, Kind]:
    """Name the columns and what they hold; types that share a field's name share its column."""
    catalogue = load_catalogue()
    found = dict.fromkeys(map(_json_name, ENVELOPE), Kind.TEXT)
    found["sequence"] = Kind.INTEGER
    found |= {f"device.{field.json_name}": field.kind for field in catalogue.device}
    for event_type in catalogue.types.values():
        for field in event_type.fields:
            found.setdefault(field.json_name, field.kind)
    return found


def flat(event: Event) -> dict[str, Any]:
    """Write an event's fields by the names of the columns, as protobuf JSON writes their values.

    Example:
        >>> flat(Event(event_type="view", view=ViewEvent(content_id="1"), device=Device(os="iOS")))
        {'eventType': 'view', 'contentId': '1', 'device.os': 'iOS'}
    """
    row: dict[str, Any] = json_format.MessageToDict(event)
    payload: dict[str, Any] = row.pop(event.WhichOneof("payload") or "", {})
    device: dict[str, Any] = row.pop("device", {})
    row.pop("data", None)  # of a type that this program does not know
    return {**row, **payload, **{f"device.{name}": value for name, value in device.items()}}


def _typed(event: Event) -> dict[str, Any]:
    """Write an event's fields as values of the columns' types."""
    row = {
        name: orjson.dumps(value).decode() if isinstance(value, dict) else value for name, value in flat(event).items()
    }
    row["sequence"] = event.sequence
    for name, stamp in (("timestamp", event.timestamp), ("receivedAt", event.received_at)):
        row[name] = stamp.seconds * 1_000_000 + stamp.nanos // 1000
    return row


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else value


def _json_name(name: str) -> str:
    return Event.DESCRIPTOR.fields_by_name[name].json_name
