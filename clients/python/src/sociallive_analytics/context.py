"""The envelope of events: what they share beside their payload, given with a call or by a context."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import TypedDict, Unpack


class Envelope(TypedDict, total=False):
    """The fields that every type of event has; see Event in the contract.

    `timestamp` must have a time zone; without it, the time of the call counts.
    """

    event_id: str
    user_id: str
    session_id: str
    timestamp: datetime
    schema_version: str
    platform: str
    user_agent: str
    ip_address: str
    device: Mapping[str, str]


class EnvelopeContext:
    """The envelope of the current thread or task, by a context variable."""

    def __init__(self) -> None:
        self._current: ContextVar[Envelope] = ContextVar("sociallive_analytics_envelope")

    @contextmanager
    def __call__(self, **envelope: Unpack[Envelope]) -> Iterator[None]:
        """Add to the envelope of every event that is tracked inside; what a call itself says takes precedence."""
        token = self._current.set({**self.get(), **envelope})
        try:
            yield
        finally:
            self._current.reset(token)

    def get(self) -> Envelope:
        """Return the envelope that applies here."""
        return self._current.get(Envelope())
