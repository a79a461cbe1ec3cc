"""The root of every error that this service raises on purpose."""

from typing import ClassVar


class AnalyticsError(Exception):
    """An error with a reason that callers can rely on and a message that says what to do.

    The message is public: it reaches callers and terminals, so it never holds a payload, an address or a credential.
    Each boundary translates what lies below it (`raise ... from exc`).
    """

    reason: ClassVar[str] = "INTERNAL"
    """Stable, in UPPER_SNAKE; callers may match on it."""
    retry_after_s: float = 1.0
    """How long a caller should wait before it sends the same again, where that can succeed at all."""
