"""Errors of questions about schemas."""

from collections.abc import Iterable
from typing import ClassVar

from events.violations import quoted
from runtime.errors import AnalyticsError


class UnknownSchemaError(AnalyticsError):
    """There is no such schema; the message lists the existing ones."""


class UnknownEventTypeError(UnknownSchemaError):
    """No event type has this name."""

    reason: ClassVar[str] = "UNKNOWN_EVENT_TYPE"

    def __init__(self, name: str, known: Iterable[str]) -> None:
        """Quote the beginning of the name, and list the known ones."""
        super().__init__(f"there is no event type {quoted(name)}; known types: {', '.join(known)}")


class UnknownVersionError(UnknownSchemaError):
    """The event type has no such version."""

    reason: ClassVar[str] = "UNKNOWN_VERSION"

    def __init__(self, name: str, version: str, known: Iterable[str]) -> None:
        """Quote the beginning of the version, and list the known ones of the type `name`."""
        super().__init__(f"{name} events have no version {quoted(version)}; known versions: {', '.join(known)}")
