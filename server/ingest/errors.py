"""Errors of the ingest pipeline: why it refuses a request or an event."""

from typing import ClassVar

from events.normalize import Rejected
from events.violations import Violation
from runtime.errors import AnalyticsError


class EventRejectedError(AnalyticsError):
    """A single event is refused for its content; sending it again unchanged fails again."""

    reason: ClassVar[str] = "INVALID_EVENT"

    def __init__(self, rejected: Rejected) -> None:
        """Keep the rejection, whose reason and violations the caller gets."""
        super().__init__("; ".join(f"{v.field}: {v.description}" for v in rejected.violations) or rejected.reason)
        self.rejected = rejected


class IdConflictError(EventRejectedError):
    """The event's id is already the id of another stored event."""


class InvalidRequestError(EventRejectedError):
    """A request is invalid apart from its events, so that none of them is read."""

    reason: ClassVar[str] = "INVALID_REQUEST"

    def __init__(self, *found: Violation, reason: str = "INVALID_REQUEST") -> None:
        """Keep the violations; each field is a path in the request or in its JSON document."""
        super().__init__(Rejected("", reason, found))


class TooManyEventsError(AnalyticsError):
    """One message has more events than are allowed."""

    reason: ClassVar[str] = "TOO_MANY_EVENTS"

    def __init__(self, found: int, most: int) -> None:
        """Say how many are allowed."""
        super().__init__(f"the message holds {found:,} events; at most {most:,} are allowed: split it")
