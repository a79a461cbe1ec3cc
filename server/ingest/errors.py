"""Why the ingest pipeline refuses what it was given."""

from typing import ClassVar

from events.normalize import Rejected
from events.violations import Violation
from runtime.errors import AnalyticsError


class EventRejectedError(AnalyticsError):
    """A single event is refused for what it holds; sending it again unchanged is of no use."""

    reason: ClassVar[str] = "INVALID_EVENT"

    def __init__(self, rejected: Rejected) -> None:
        """Keep the rejection, whose reason and violations the caller gets."""
        super().__init__("; ".join(f"{v.field}: {v.description}" for v in rejected.violations) or rejected.reason)
        self.rejected = rejected


class IdConflictError(EventRejectedError):
    """The event's id belongs to another event that is stored."""


class InvalidRequestError(EventRejectedError):
    """What stands around the events of a request makes no sense, so that none of them is read."""

    reason: ClassVar[str] = "INVALID_REQUEST"

    def __init__(self, *found: Violation, reason: str = "INVALID_REQUEST") -> None:
        """Keep what is wrong; each field is a path in the request or in its JSON document."""
        super().__init__(Rejected("", reason, found))


class TooManyEventsError(AnalyticsError):
    """One message holds more events than are taken at once."""

    reason: ClassVar[str] = "TOO_MANY_EVENTS"

    def __init__(self, found: int, most: int) -> None:
        """Say how many are allowed."""
        super().__init__(f"the message holds {found:,} events; at most {most:,} are allowed: split it")
