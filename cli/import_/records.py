"""Records of import files, and the errors of records that cannot become events."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol, TypeVar

from sociallive.analytics.v1.event_pb2 import Event


class RecordError(Exception):
    """One record cannot become an event; the message says why. The import goes on without it."""

    def __init__(self, message: str, field: str = "") -> None:
        """Take the message, and the field that is at fault where it is one of them."""
        super().__init__(message)
        self.field = field


class HopelessRecordError(Exception):
    """A record shows that the command line cannot be right; the message says why. The import ends with it."""


class Source(NamedTuple):
    """A record with its place in the file."""

    line: int
    """The number of its line, the last one where it spans several; counted from 1."""
    row: int
    """Its number among the records, counted from 1; part of the event's identity."""
    raw: bytes
    """The record to the byte, without the end of its line; empty where it is too long to be kept."""


Form = TypeVar("Form")
Form_contra = TypeVar("Form_contra", contravariant=True)

Records = Iterator[tuple[Source, Form | RecordError]]
"""The records of a file in its order, or why there is none."""


class EventFiller(Protocol[Form_contra]):
    """Turns records of one form into events."""

    def fill(self, event: Event, record: Form_contra, position: int) -> None:
        """Set every field of an empty event, its id included.

        Args:
            event: the event to fill.
            record: what the file holds.
            position: the record's number in the file, counted from 1; part of the event's identity.

        Raises:
            RecordError: the record cannot become an event.
            HopelessRecordError: no record can become an event, because an option is missing or wrong.
        """
