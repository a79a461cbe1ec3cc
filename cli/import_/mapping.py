"""Mapping files: how the columns of a CSV file become the fields of events. docs/import.md describes the format."""

import tomllib
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Table
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from cli.command_error import CommandError
from cli.main import EXIT_USAGE
from events.catalogue import load_catalogue
from events.event_type import Catalogue, EventType, Field, is_newer

TEXT_KEYS = ("dataset", "event_type", "schema_version", "time_zone", "timestamp_format", "delimiter")
TABLE_KEYS = ("event", "payload")
TIMES = ("timestamp", "sent_at")
DEVICE = "device"
TOLD_ELSEWHERE = frozenset({"event_type", "schema_version"})
"""Fields of the envelope that have a key of their own."""


class MappingError(CommandError):
    """A mapping file is invalid; the message names the file, the key and the nearest known name."""

    def __init__(self, path: Path, key: str, why: str) -> None:
        """Take the file, the key at fault ("payload.amount"; empty for the file as a whole) and what is wrong."""
        super().__init__(f"{path}: {key}: {why}" if key else f"{path}: {why}", exit_code=EXIT_USAGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """A mapping file, checked as far as that is possible without the columns."""

    path: Path
    catalogue: Catalogue
    dataset: str | None
    """The name that makes the events' ids, with `{file}` in place of the file's name; None for the file's name."""
    event_type: EventType
    schema_version: str
    """Empty for the newest."""
    zone: ZoneInfo
    """Of times without offset."""
    timestamp_format: str | None
    """For strptime; None for ISO 8601."""
    delimiter: str
    event: Table[str, Any]
    """Templates of the envelope's fields, by their names in the .proto file; `timestamp` is one of them."""
    device: Table[str, Any]
    """Templates of the device's fields, by their names in the .proto file."""
    payload: Table[str, Any]
    """Templates of the payload's fields, by their names in the .proto file."""


def read_mapping(path: Path) -> Mapping:
    """Read a mapping file.

    Raises:
        MappingError: it cannot be read, or something in it is unknown, missing or of the wrong kind.
    """
    catalogue = load_catalogue()
    tables = _read_tables(path)
    event_type = catalogue.types.get(tables["event_type"])
    if event_type is None:
        raise MappingError(path, "event_type", unknown("event type", tables["event_type"], catalogue.types))
    version = tables.get("schema_version", "")
    versions = [item.version for item in event_type.versions]
    if version and version not in versions:
        raise MappingError(path, "schema_version", unknown("version", version, versions))
    delimiter = tables.get("delimiter", ",")
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise MappingError(path, "delimiter", f"must be one character, not {delimiter!r}")
    event = _by_name(path, "event", tables["event"], _envelope_names(catalogue))
    device = event.pop(DEVICE, {})
    if not isinstance(device, dict):
        raise MappingError(path, "event.device", "must be a table")
    mapping = Mapping(
        path=path,
        catalogue=catalogue,
        dataset=tables.get("dataset"),
        event_type=event_type,
        schema_version=version,
        zone=_zone(path, tables.get("time_zone", "UTC")),
        timestamp_format=tables.get("timestamp_format"),
        delimiter=delimiter,
        event=event,
        device=_by_name(path, "event.device", device, _names(catalogue.device)),
        payload=_by_name(path, "payload", tables["payload"], _names(event_type.fields)),
    )
    _check_required(mapping)
    _check_since(mapping)
    return mapping


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """Describe an unknown name, with the name that was probably meant, and the known ones."""
    names = list(known)
    close = get_close_matches(name, names, n=1)
    meant = f"did you mean {close[0]!r}? " if close else ""
    return f"no {what} {name!r}; {meant}known: {', '.join(names)}"


def _read_tables(path: Path) -> dict[str, Any]:
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except OSError as exc:
        raise MappingError(path, "", str(exc.strerror)) from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise MappingError(path, "", f"is not valid TOML: {exc}") from exc
    known = (*TEXT_KEYS, *TABLE_KEYS)
    for key, value in tables.items():
        if key not in known:
            raise MappingError(path, key, unknown("key", key, known))
        kind = dict if key in TABLE_KEYS else str
        if not isinstance(value, kind):
            raise MappingError(path, key, "must be a table" if kind is dict else "must be a string in quotes")
    for key in ("event_type", *TABLE_KEYS):
        if key not in tables:
            raise MappingError(path, key, "is missing")
    return tables


def _names(fields: Sequence[Field]) -> dict[str, str]:
    """Map the fields' names in JSON and in the .proto file to the latter."""
    return {field.json_name: field.name for field in fields} | {field.name: field.name for field in fields}


def _envelope_names(catalogue: Catalogue) -> dict[str, str]:
    plain = [field for field in catalogue.envelope.values() if field.name not in TOLD_ELSEWHERE]
    return _names(plain) | {"sentAt": "sent_at", DEVICE: DEVICE} | {name: name for name in TIMES}


def _by_name(path: Path, key: str, table: Table[str, Any], known: Table[str, str]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for given, value in table.items():
        name = known.get(given)
        if name is None:
            raise MappingError(path, f"{key}.{given}", unknown("field", given, dict.fromkeys(known.values())))
        if name in named:
            raise MappingError(path, f"{key}.{given}", f"{name} is given twice")
        named[name] = value
    return named


def _check_required(mapping: Mapping) -> None:
    missing = [
        field.name for field in mapping.event_type.fields if field.required and field.name not in mapping.payload
    ]
    if missing:
        raise MappingError(mapping.path, "payload", f"{mapping.event_type.name} also needs {', '.join(missing)}")
    if "timestamp" not in mapping.event:
        raise MappingError(mapping.path, "event", "also needs timestamp: an old event must not get the time of import")


def _check_since(mapping: Mapping) -> None:
    """Refuse fields that were added after the declared version: the service would reject every row."""
    version = mapping.schema_version or mapping.event_type.newest
    tables = (
        ("event", mapping.event, mapping.catalogue.envelope.values()),
        ("event.device", mapping.device, mapping.catalogue.device),
        ("payload", mapping.payload, mapping.event_type.fields),
    )
    for key, given, fields in tables:
        for field in fields:
            if field.name in given and is_newer(field, version):
                raise MappingError(mapping.path, f"{key}.{field.name}", f"was added in {field.since}, after {version}")


def _zone(path: Path, name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as exc:  # ZoneInfo's errors for an unknown name, a path, a folder
        raise MappingError(
            path, "time_zone", f"no time zone {name!r}; write an IANA name, such as Europe/Berlin"
        ) from exc
