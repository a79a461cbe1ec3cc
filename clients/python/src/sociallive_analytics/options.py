"""The options of a client."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from sociallive_analytics.outcomes import Dropped, Rejected

ADDRESS_VARIABLE = "ANALYTICS_ADDRESS"
KEY_VARIABLE = "ANALYTICS_KEY"
DEFAULT_ADDRESS = "127.0.0.1:50051"


def default_address() -> str:
    """Return the address that the environment names, or that of a service on this machine."""
    return os.environ.get(ADDRESS_VARIABLE) or DEFAULT_ADDRESS


def default_key() -> str | None:
    """Return the key that the environment names."""
    return os.environ.get(KEY_VARIABLE) or None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a client can be told; the defaults suit a web service.

    Attributes:
        key: of the service, with the scope `ingest`; the variable ANALYTICS_KEY if not set. A service on the same
            machine may need none.
        batch_events: events that are sent at once as soon as so many wait.
        batch_interval_s: the longest that an event waits for others.
        queue_events: events that the client holds at most, those being sent included.
        queue_bytes: bytes that it holds at most.
        when_full: "drop" refuses new events and counts them, so that the application is never held up; "block" lets
            `track` wait until there is room.
        default_currency: of purchases that name none.
        platform: of events that name none.
        call_timeout_s: after this time an unanswered request is sent again.
        exit_flush_s: the time that the end of the interpreter may wait for the queue.
        on_rejected: called for each event that the service refuses, by the thread or task that sends.
        on_dropped: called for each event that the client gives up.
    """

    key: str | None = field(default_factory=default_key, repr=False)
    batch_events: int = 100
    batch_interval_s: float = 1.0
    queue_events: int = 10_000
    queue_bytes: int = 64 * 1024 * 1024
    when_full: Literal["drop", "block"] = "drop"
    default_currency: str = "USD"
    platform: str = "server"
    call_timeout_s: float = 15.0
    exit_flush_s: float = 2.0
    on_rejected: Callable[[Rejected], None] | None = None
    on_dropped: Callable[[Dropped], None] | None = None
