"""Records of import files: what a reader yields, and what is wrong with one that cannot become an event."""

from collections.abc import Iterator
from typing import Protocol, TypeVar

from sociallive.analytics.v1.event_pb2 import Event


class RecordError(Exception):
    """One record cannot become an event; the message says why. The import goes on without it."""


class HopelessRecordError(Exception):
    """A record shows that the command line cannot be right; the message says why. The import ends with it."""


Form = TypeVar("Form")
Form_contra = TypeVar("Form_contra", contravariant=True)

Records = Iterator[tuple[int, Form | RecordError]]
"""(line number in the file, counted from 1; the record, or why there is none), in the order of the file."""


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
            HopelessRecordError: no record can, as the command line is.
        """
