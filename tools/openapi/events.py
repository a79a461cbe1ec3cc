"""Schemas of the bodies that carry events: the catalogue's JSON Schemas, as components of the description."""

from typing import Any

from events.event_type import Catalogue, EventType
from events.json.schema import write_json_schema
from server.ingest.intake import MAX_EVENTS_PER_MESSAGE
from tools.openapi.answers import Json, reference


def add_events(catalogue: Catalogue, schemas: dict[str, Json]) -> None:
    """Add an event of each version of each type, an event of any of them, and a batch.

    Components are called, for example, `event`, `event.view`, `event.view.1.1.0` and `batch`; `path.view` is an event
    whose path names its type.
    """
    every = []
    for name, event_type in catalogue.types.items():
        versions = [
            _add_version(catalogue, event_type, version.version, schemas) for version in reversed(event_type.versions)
        ]
        schemas[f"event.{name}"] = {
            "description": f"An event of the type {name}, newest version first.",
            "anyOf": [reference(version) for version in versions],
        }
        schemas[f"path.{name}"] = {
            "description": f"An event of the type {name}, which the path names: `eventType` may be left out.",
            "anyOf": [reference(version.replace("event.", "path.", 1)) for version in versions],
        }
        every.append(reference(f"event.{name}"))
    schemas["event"] = {"description": "An event of any type.", "anyOf": every}
    schemas["batch"] = {
        "type": "object",
        "description": "Several events. One that is not valid is refused, and the others are stored.",
        "required": ["events"],
        "properties": {
            "events": {
                "type": "array",
                "description": "The events.",
                "maxItems": MAX_EVENTS_PER_MESSAGE,
                "items": reference("event"),
            },
            "backfill": {
                "type": "boolean",
                "description": "Whether this is an import of old data, which may be of any age.",
                "default": False,
            },
        },
        "additionalProperties": False,
    }


def _add_version(catalogue: Catalogue, event_type: EventType, version: str, schemas: dict[str, Json]) -> str:
    """Add both schemas of one version with all that they point to; return the name of the first."""
    name = f"event.{event_type.name}.{version}"
    whole = write_json_schema(catalogue, event_type, version)
    for inner, definition in whole.pop("$defs").items():
        schemas[f"{name}.{inner}"] = _moved(definition, name)
    for keyword in ("$schema", "$id"):
        del whole[keyword]
    schema = _moved(whole, name)
    schemas[name] = schema
    in_path = {
        **schema,
        "title": f"{schema['title']}, whose path names its type",
        "oneOf": [{"required": ["data"]}, {"required": [event_type.name]}],
    }
    del in_path["dependentRequired"]
    schemas[name.replace("event.", "path.", 1)] = in_path
    return name


def _moved(schema: Any, name: str) -> Any:
    """Let references within a schema point to where its definitions are now."""
    if isinstance(schema, dict):
        return {key: _moved(value, name) for key, value in schema.items()}
    if isinstance(schema, list):
        return [_moved(value, name) for value in schema]
    prefix = "#/$defs/"
    if isinstance(schema, str) and schema.startswith(prefix):
        return reference(f"{name}.{schema.removeprefix(prefix)}")["$ref"]
    return schema
