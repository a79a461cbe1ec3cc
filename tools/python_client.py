"""Writes the typed events of the Python client from the event catalogue and the comments of the .proto files.

Usage: python -m tools.python_client DESCRIPTORS > clients/python/src/sociallive_analytics/catalogue.py, where
DESCRIPTORS is what `buf build` wrote.
"""

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from events.catalogue import load_catalogue
from events.event_type import Catalogue, EventType, Field, Kind
from tools.proto_comments import Comments, read_comments

CURRENCY = "CURRENCY"
TYPES = {
    Kind.TEXT: "str",
    Kind.NUMBER: "float",
    Kind.INTEGER: "int",
    Kind.FLAG: "bool",
    Kind.TEXTS: "Sequence[str]",
    Kind.OBJECT: "Mapping[str, Any]",
}
"""The Python type of each kind of value."""
WIDTH = 120

PREFACE = '''"""The event types of the service, typed. Written by `make gen` from the .proto files: change those."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, Unpack

from google.protobuf.message import Message

{imports}
from sociallive_analytics.context import Envelope

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Payload:
    """One event type.

    Attributes:
        message: of its payload.
        version: the newest one that this client knows; its events are of this version.
        fields: the name in the .proto file of each field, by that name and by its name in JSON.
        currency: the field that has a default currency; empty if none has.
    """

    message: type[Message]
    version: str
    fields: Mapping[str, str]
    currency: str


PAYLOADS: Mapping[str, Payload] = {{
{payloads}
}}
"""The event types by name."""


class TypedEvents(ABC, Generic[Result]):
    """One method for each event type."""

    @abstractmethod
    def _track(self, event_type: str, data: Mapping[str, Any], envelope: Envelope) -> Result:
        """Queue an event."""
'''


def write_module(catalogue: Catalogue, comments: Comments) -> str:
    """Write the module, formatted."""
    imports = sorted(
        f"from {_module_of(event_type)} import {event_type.message_class.__name__}"
        for event_type in catalogue.types.values()
    )
    payloads = "".join(_payload(event_type) for event_type in catalogue.types.values())
    text = PREFACE.format(imports="\n".join(imports), payloads=payloads)
    for event_type in catalogue.types.values():
        text += "\n" + "\n".join(_method(event_type, comments)) + "\n"
    ruff = str(Path(sys.executable).with_name("ruff"))
    command = [ruff, "format", "--quiet", "--line-length", str(WIDTH), "--stdin-filename", "catalogue.py", "-"]
    formatted: str = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
    return formatted


def _module_of(event_type: EventType) -> str:
    """Name the generated module of a payload, from the .proto file that defines it."""
    return event_type.message_class.DESCRIPTOR.file.name.removesuffix(".proto").replace("/", ".") + "_pb2"


def _payload(event_type: EventType) -> str:
    fields = {name: field.name for field in event_type.fields for name in (field.json_name, field.name)}
    currency = next((field.name for field in event_type.fields if field.format == CURRENCY), "")
    message = event_type.message_class.__name__
    return f"{event_type.name!r}: Payload({message}, {event_type.newest!r}, {fields!r}, {currency!r}),\n"


def _method(event_type: EventType, comments: Comments) -> Iterator[str]:
    """Write the method of one type; required fields come first and have no default."""
    message = event_type.message_class.DESCRIPTOR.full_name
    ordered = sorted(event_type.fields, key=lambda field: not _is_required(field))
    yield f"    def track_{event_type.name}("
    yield "        self,"
    yield "        *,"
    for field in ordered:
        yield f"        {field.name}: {TYPES[field.kind]}" + ("," if _is_required(field) else " | None = None,")
    yield "        **envelope: Unpack[Envelope],"
    yield "    ) -> Result:"
    yield f'        """{comments[message].splitlines()[0]}'
    yield ""
    yield "        Args:"
    for field in ordered:
        yield from _wrapped(f"{field.name}: {_describe(field, comments[f'{message}.{field.name}'])}")
    yield from _wrapped("envelope: what the event has beside its payload, such as user_id.")
    yield '        """'
    yield "        data = {"
    for field in event_type.fields:
        yield f'            "{field.name}": {field.name},'
    yield "        }"
    yield f'        return self._track("{event_type.name}", data, envelope)'


def _is_required(field: Field) -> bool:
    return field.required and field.format != CURRENCY


def _describe(field: Field, comment: str) -> str:
    text = " ".join(comment.split())
    unit = f" In {field.unit}." if field.unit else ""
    default = " Missing: the client's default currency." if field.format == CURRENCY else ""
    return f"{text}{unit}{default}"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=" " * 12, subsequent_indent=" " * 16, break_on_hyphens=False)


def main() -> None:
    """Print the module."""
    print(write_module(load_catalogue(), read_comments(Path(sys.argv[1]).read_bytes())), end="")


if __name__ == "__main__":
    main()
