"""Upcasting: reads an event of an older version as one of the newest, by what the .proto files declare for it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from events.event_type import Catalogue, EventType
from events.json.payload import to_json


class _Step(NamedTuple):
    """An upcast by JSON names."""

    json_name: str
    value: Any
    source: str | None


class Upcaster:
    """Converts stored events into events of the newest version of their type; pure, and built once from a catalogue.

    Example:
        Where version 1.1.0 of a purchase declares `{field: "quantity" value: "1"}`, the data `{"amount":5}` of version
        1.0.0 is read as `{"amount":5,"quantity":1}`.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._newest = {event_type.name: event_type.newest for event_type in catalogue.types.values()}
        self._steps = {
            (event_type.name, version.version): _steps_after(event_type, place)
            for event_type in catalogue.types.values()
            for place, version in enumerate(event_type.versions)
        }

    def upcast(self, stored: Mapping[str, Any]) -> Mapping[str, Any]:
        """Read a stored event in the newest version.

        Args:
            stored: values by the names of `events.normalize.COLUMNS`.

        Returns:
            A copy with another `schema_version` and `event_data`; the same object if it has the newest version already,
            or a type or version that only a newer program knows.
        """
        release = stored["event_type"], stored["schema_version"]
        steps = self._steps.get(release)
        if steps is None or release[1] == self._newest[release[0]]:
            return stored
        event_data = stored["event_data"]
        if steps:
            data = orjson.loads(event_data)
            for step in steps:
                _complete(data, step)
            event_data = to_json(data)
        return {**stored, "schema_version": self._newest[release[0]], "event_data": event_data}


def _steps_after(event_type: EventType, place: int) -> tuple[_Step, ...]:
    """List the upcasts from the version at `place` to the newest, in order."""
    json_names = {field.name: field.json_name for field in event_type.fields}
    return tuple(
        _Step(json_names[upcast.name], upcast.value, json_names.get(upcast.source))
        for version in event_type.versions[place + 1 :]
        for upcast in version.upcasts
    )


def _complete(data: dict[str, Any], step: _Step) -> None:
    """Give a field a value, in a dict of the caller's own, where it has none and there is one to give."""
    if step.source is None:
        data.setdefault(step.json_name, step.value)
    elif step.source in data:
        data.setdefault(step.json_name, data[step.source])
