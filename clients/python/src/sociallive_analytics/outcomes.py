"""What becomes of events."""

from dataclasses import dataclass
from enum import StrEnum


class EventStatus(StrEnum):
    """The outcome of an event that the service acknowledged. Each means that the event is durable."""

    STORED = "STORED"
    """Committed to the database."""
    DUPLICATE = "DUPLICATE"
    """An event with this id was stored before, for example by an attempt whose response was lost."""
    SPOOLED = "SPOOLED"
    """Synced to the service's local disk; it is stored when the database recovers."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The answer of `track(..., wait=True)`: the event's id, its status, and what to correct although it is stored."""

    event_id: str
    status: EventStatus
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejected:
    """An event that the service refused; sending it again cannot succeed.

    Attributes:
        event_id: of the event.
        event_type: for example "view".
        reason: a value of ErrorReason without its prefix, for example "INVALID_EVENT".
        problems: one "field: description" for each rule that it breaks.
    """

    event_id: str
    event_type: str
    reason: str
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dropped:
    """An event that the client gave up. `reason` is "QUEUE_FULL" or "CLOSED"."""

    event_id: str
    event_type: str
    reason: str


@dataclass(frozen=True, slots=True)
class Statistics:
    """The numbers of events of a client since it was made, or since the fork that made the process.

    accepted = acknowledged + rejected + pending + dropped when closing; `dropped` also counts events that were refused
    because the queue was full.
    """

    accepted: int
    acknowledged: int
    rejected: int
    dropped: int
    pending: int
