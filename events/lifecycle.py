"""The life of schema versions: which are deprecated, and from which day on their events are refused."""

from datetime import date

from events import violations
from events.event_type import Catalogue
from events.violations import Problem

Release = tuple[str, str]
"""An event type and one of its versions, by their names."""


class Lifecycle:
    """Decides by its version whether an event is accepted, warned about or refused; immutable after construction.

    A deprecated version is accepted, with a warning, until its sunset, and refused from that day on.
    """

    def __init__(self, catalogue: Catalogue, *, sunset_days: int) -> None:
        """Read the catalogue. `sunset_days`: how long a deprecated version is accepted; 0: without limit."""
        self.warnings: dict[Release, str] = {}
        """The warning for the sender of each deprecated version."""
        self._sunsets: dict[Release, tuple[date, str]] = {}
        deprecated = [
            (event_type, version)
            for event_type in catalogue.types.values()
            for version in event_type.versions
            if version.deprecated
        ]
        for event_type, version in deprecated:
            release, sunset = (event_type.name, version.version), version.sunset(sunset_days)
            until = f" and will be refused from {sunset} on" if sunset else ""
            self.warnings[release] = (
                f"schema_version {version.version} of {event_type.name} events was deprecated on "
                f"{version.deprecated}{until}: send {event_type.newest}"
            )
            if sunset:
                self._sunsets[release] = sunset, event_type.newest

    def refused_on(self, day: date) -> dict[Release, Problem]:
        """Return the versions that are past their sunset on a UTC day, each with the problem to report."""
        return {
            (name, version): (
                violations.SUNSET_VERSION,
                f"is '{version}', which has been refused for {name} events since {sunset}; send {newest}",
            )
            for (name, version), (sunset, newest) in self._sunsets.items()
            if day >= sunset
        }
