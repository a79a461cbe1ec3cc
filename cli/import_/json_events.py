"""Events written as protobuf JSON, one a line: with a typed payload, or as `{"eventType": ..., "data": {...}}`."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from google.protobuf import json_format

from cli.import_.records import HopelessRecordError, RecordError
from events.ids import deterministic_id
from sociallive.analytics.v1.event_pb2 import Event

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""The time in the id of an event without a timestamp, so that a repeat gets the same id."""
MOST_DEPTH = 60
"""How deep an event may nest by json_format's count, 30 objects: a message of 34 can no longer be parsed on the other
side, and would take all events of its message with it. Rules allow far less; the server reports which."""
MOST_REASON = 300
"""Characters of a reason that are shown: enough for any of protobuf's own, not for a whole event."""
SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
"""A character beyond the first 65,536 in two halves, or a half alone, which protobuf does not expect."""
MOST_EXACT = 2**53
"""The largest whole number up to which a double, as which free fields are sent, holds every one."""
LONG_NUMBER = re.compile(rb"\d{16}")
"""Digits of a number that a double may round, or of an id."""
OUTPUT_ONLY = {"received_at": "receivedAt", "timestamp_source": "timestampSource"}
"""Fields that the service sets on reads and ignores on input, by their names in the .proto file and in JSON."""


class JsonEventFiller:
    """Turns lines of protobuf JSON into events; one without an id gets a deterministic one."""

    def __init__(self, dataset: str | None) -> None:
        """Take the name that, with line and content, makes the ids; None where every event must have its own."""
        self._dataset = dataset

    def fill(self, event: Event, record: bytes, position: int) -> None:
        """Parse the line into the event.

        Raises:
            RecordError: it is not the JSON form of an event.
            HopelessRecordError: it has no id, and there is no dataset to make one from.
        """
        parse_event(record, event)
        if event.event_id:
            return
        if self._dataset is None:
            raise HopelessRecordError(
                "the event has no eventId, and standard input has no name from which to derive one; give one with "
                "--dataset NAME"
            )
        try:
            moment = event.timestamp.ToDatetime(UTC) if event.HasField("timestamp") else EPOCH
        except (ValueError, OverflowError) as exc:
            raise RecordError(f"timestamp: {exc}") from exc
        event.event_id = deterministic_id(self._dataset, position, record, moment)


def parse_event(record: bytes, event: Event) -> None:
    """Parse protobuf JSON into an empty event.

    Raises:
        RecordError: it is not the JSON form of an event.
    """
    try:
        if SURROGATE.search(record):
            json.dumps(json.loads(record), ensure_ascii=False).encode()
        _parse(record, event)
    except UnicodeEncodeError as exc:
        raise RecordError(r"is not an event: half of a surrogate pair, such as \ud800, is not a character") from exc
    except (json_format.ParseError, ValueError, OverflowError) as exc:  # the latter two about long numbers
        raise RecordError(f"is not an event: {_shortened(str(exc))}") from exc
    except RecursionError as exc:
        raise RecordError("is not an event: nested too deep") from exc
    if LONG_NUMBER.search(record):
        _require_exact(json.loads(record))


def _require_exact(fields: Mapping[str, Any]) -> None:
    """Refuse whole numbers that free-form fields, which hold doubles, would round.

    Raises:
        RecordError: there is one.
    """
    values: list[Any] = [value for value in fields.values() if isinstance(value, dict)]
    while values:
        value = values.pop()
        if isinstance(value, dict):
            values += value.values()
        elif isinstance(value, list):
            values += value
        elif isinstance(value, int) and abs(value) > MOST_EXACT:
            raise RecordError(
                f"the whole number {value} is too long to be stored exactly; write it as a string, in quotes"
            )


def _parse(record: bytes, event: Event) -> None:
    """Parse the line, but for what is set on reads: a newer service may write values there that this one cannot read.

    Raises:
        ParseError, UnicodeDecodeError, RecursionError: it is not the JSON form of an event.
    """
    try:
        json_format.Parse(record, event, max_recursion_depth=MOST_DEPTH)
    except json_format.ParseError as exc:
        try:
            fields = json.loads(record)
        except ValueError:
            raise exc from None
        ignored = {*OUTPUT_ONLY, *OUTPUT_ONLY.values()}
        if not isinstance(fields, dict) or ignored.isdisjoint(fields):
            raise
        event.Clear()
        kept = {name: value for name, value in fields.items() if name not in ignored}
        json_format.ParseDict(kept, event, max_recursion_depth=MOST_DEPTH)
    for name in OUTPUT_ONLY:
        event.ClearField(name)


def _shortened(reason: str) -> str:
    """Keep the first line, which says what is wrong; those below list every field of the message."""
    line = next(iter(reason.splitlines()), "")
    return line if len(line) <= MOST_REASON else f"{line[:MOST_REASON].rpartition(' ')[0] or line[:MOST_REASON]} ..."
