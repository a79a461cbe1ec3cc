"""The two judges of an event's JSON form: its JSON Schema and the service's own validation."""

import json
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator

from events.json.document import read_event
from events.json.schema import write_json_schema
from tests.unit.event_samples import CATALOGUE, VALIDATOR

SCHEMAS: Mapping[tuple[str, str], dict[str, Any]] = {
    (event_type.name, version.version): write_json_schema(CATALOGUE, event_type, version.version)
    for event_type in CATALOGUE.types.values()
    for version in event_type.versions
}
"""The schema of every type and version."""
_JUDGES = {
    key: Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    for key, schema in SCHEMAS.items()
}


def schema_accepts(values: Mapping[str, Any]) -> bool:
    """Tell whether the schema accepts an event: that of its own type and version, the newest where it names none."""
    named = [name for name in CATALOGUE.types if name in values] or [str(values.get("eventType"))]
    event_type = CATALOGUE.types.get(named[0])
    if event_type is None:
        return False
    judge = _JUDGES.get((event_type.name, str(values.get("schemaVersion", event_type.newest))))
    return judge is not None and judge.is_valid(values)


def service_accepts(values: Mapping[str, Any]) -> bool:
    """Tell whether the service accepts an event that is sent as JSON."""
    value = read_event(json.dumps(values).encode())
    return isinstance(value, dict) and not VALIDATOR.validate_json(value)
