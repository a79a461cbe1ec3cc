"""The schema registry: lists the versions of the catalogue and writes their JSON Schemas."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from events.event_type import Catalogue, EventType, Version
from events.json.schema import write_json_schema
from server.schemas.errors import UnknownEventTypeError, UnknownVersionError

Release = tuple[EventType, Version]
"""One version of an event type."""


class SchemaRegistry:
    """Looks up versions and schemas in the catalogue; stateless."""

    def __init__(self, catalogue: Catalogue, *, sunset_days: int) -> None:
        """Take the catalogue. `sunset_days`: how long a deprecated version is accepted; 0: without limit."""
        self._catalogue = catalogue
        self._sunset_days = sunset_days

    def releases(self) -> Iterator[Release]:
        """Yield every version of every type, ordered by type, then oldest first."""
        for _, event_type in sorted(self._catalogue.types.items()):
            for version in event_type.versions:
                yield event_type, version

    def find(self, name: str, version: str) -> Release:
        """Find a version of the type `name`; the newest where `version` is empty.

        Raises:
            UnknownEventTypeError: no type has this name.
            UnknownVersionError: the type has no such version.
        """
        event_type = self._catalogue.types.get(name)
        if event_type is None:
            raise UnknownEventTypeError(name, self._catalogue.types)
        wanted = version or event_type.newest
        for release in event_type.versions:
            if release.version == wanted:
                return event_type, release
        raise UnknownVersionError(name, version, (release.version for release in event_type.versions))

    def sunset(self, version: Version) -> date | None:
        """Return the first day on which events of a version are refused; None if it has no sunset."""
        return version.sunset(self._sunset_days)

    def json_schema(self, release: Release) -> dict[str, Any]:
        """Write the JSON Schema of a version that was found here."""
        event_type, version = release
        return write_json_schema(self._catalogue, event_type, version.version)
