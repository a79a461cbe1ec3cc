"""What the event catalogue holds: event types, their versions and their fields, as frozen values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, ClassVar

from google.protobuf.message import Message

from runtime.errors import AnalyticsError

UNLIMITED = 2**31 - 1
"""The limit of a field that declares none: only the size limit of a message applies."""
WIRE_MAX_DEPTH = 32
"""The depth limit of an object that declares none: about the nesting that protobuf's parsers accept."""

is_version = re.compile(r"(0|[1-9][0-9]{0,5})(\.(0|[1-9][0-9]{0,5})){2}").fullmatch
"""Tests whether a string is a semantic version of three numbers, for example "1.1.0"."""


class CatalogueError(AnalyticsError):
    """The .proto files contradict themselves; the text names the message and field to correct."""

    reason: ClassVar[str] = "BAD_CATALOGUE"


class Kind(StrEnum):
    """The kinds of value that a field of an event may have; the value is the kind in words."""

    TEXT = "a string"
    NUMBER = "a number"
    INTEGER = "a whole number"
    FLAG = "true or false"
    TEXTS = "a list of strings"
    OBJECT = "an object"


class Form(StrEnum):
    """The forms in which callers send events; the value is the media type of their bytes."""

    MESSAGE = "application/x-protobuf"
    JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field with its rules, as the options of its .proto file declare them."""

    name: str
    """The name in the .proto file, for example "content_id"."""
    json_name: str
    """The name in JSON, for example "contentId"."""
    kind: Kind
    tracks_presence: bool
    """Whether a value of zero differs from no value."""
    integer_range: tuple[int, int] | None = None
    """What the type of an INTEGER can hold, inclusive."""
    since: str = ""
    """The first version that has the field; empty means the first of its type."""
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    max_length: int = UNLIMITED
    """The longest string, in characters; in a list or an object, of each string in it."""
    format: str = ""
    """The format of a string: "UUID", "CURRENCY", "IP_ADDRESS", "VERSION"; empty means any string."""
    allowed_values: tuple[str, ...] = ()
    known_values: tuple[str, ...] = ()
    unit: str = ""
    max_items: int = UNLIMITED
    max_depth: int = WIRE_MAX_DEPTH

    def name_in(self, form: Form) -> str:
        """Return the name that callers of a form use for the field."""
        return self.json_name if form is Form.JSON else self.name


@dataclass(frozen=True, slots=True)
class Upcast:
    """The value of a field that is new in a version, for events of older versions that are read in that version."""

    name: str
    """The field's name in the .proto file."""
    value: Any = None
    """Its value, as plain JSON; None if it is taken from another field."""
    source: str = ""
    """The name of the field whose value it takes, if that field is set."""


@dataclass(frozen=True, slots=True)
class Version:
    """One released version of an event type."""

    version: str
    released: date
    deprecated: date | None = None
    """The day of its deprecation, from which callers should move to a newer version; None while it is current."""
    upcasts: tuple[Upcast, ...] = ()
    """How events of the previous version are read in this one."""

    def sunset(self, after_days: int) -> date | None:
        """Return the first day on which events of this version are refused.

        Args:
            after_days: how long a deprecated version is accepted after its deprecation; 0: without limit.

        Returns:
            A UTC day, or None if the version is current or has no sunset.
        """
        return self.deprecated + timedelta(days=after_days) if self.deprecated and after_days else None


@dataclass(frozen=True, slots=True)
class EventType:
    """One event type: a payload message, its versions and its fields."""

    name: str
    """What callers write as `eventType`; also the name of its field in the oneof `payload`."""
    message_class: type[Message]
    versions: tuple[Version, ...]
    """Oldest first."""
    fields: tuple[Field, ...]
    """In the order of the .proto file."""

    @property
    def newest(self) -> str:
        """The version of an event that names none."""
        return self.versions[-1].version

    def fields_in(self, version: str) -> tuple[Field, ...]:
        """Select the fields that `version` has."""
        return tuple(field for field in self.fields if not is_newer(field, version))


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every event type, and the envelope that all of them share."""

    types: Mapping[str, EventType]
    """By name, in the order of the oneof."""
    envelope: Mapping[str, Field]
    """The scalar fields of Event by name: all except message fields, the payloads and `data`."""
    device: tuple[Field, ...]
    """The fields of the device."""
    device_since: str
    """The first version whose events may have a device; empty means every version."""


def version_key(version: str) -> tuple[int, ...]:
    """Return the sort key of a version; 1.10.0 is newer than 1.9.0."""
    return tuple(int(number) for number in version.split("."))


def is_newer(field: Field, version: str) -> bool:
    """Return whether `version` lacks the field, because it was released before the field was added."""
    return field.since != "" and version_key(field.since) > version_key(version)
