"""The query of a REST call, read into the request by its descriptor.

Envoy's transcoder reads queries, too, but its error messages cannot be changed. So the gateway passes the query on as
it was sent (`gateway/template/request.lua`), and an error here names the parameter as its caller wrote it, and the
allowed values.
"""

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote_plus

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from events.violations import MAX_QUOTED_CHARACTERS, nearest, quoted
from gateway import headers
from server.rpc.gateway_calls import header
from server.rpc.refusals import ParameterError, UnknownParameterError

TIMESTAMP = Timestamp.DESCRIPTOR.full_name
MOST_NAMES = 16
"""The most parameters that an error lists; the requests of reports have fewer."""
INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: (-(1 << 31), (1 << 31) - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(1 << 63), (1 << 63) - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, (1 << 32) - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, (1 << 64) - 1),
}
"""The least and the largest value."""
DECIMALS = (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT)
BOOLEANS = {"true": True, "false": False}
_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")

Path = Sequence[FieldDescriptor]
"""The fields that lead from a request to a value."""


def fill_from_query(request: Message) -> None:
    """Set what the query of a REST call says; a call without one is left as it is.

    A direct gRPC caller may send the header, too: it has the same effect as setting the fields of its own request.

    Raises:
        UnknownParameterError: the request has no such parameter.
        ParameterError: a value is none of its parameter's, or stands twice.
    """
    query = header(headers.QUERY)
    if query:
        read_query(query, request)


def read_query(query: str, request: Message) -> None:
    """Set the fields of `request` that a percent-encoded query names: "timeframe=7d&steps=view&steps=purchase".

    Raises:
        UnknownParameterError: the request has no such parameter.
        ParameterError: a value is none of its parameter's, or stands twice.
    """
    parameters = _parameters(request.DESCRIPTOR)
    for part in filter(None, query.split("&")):
        written, _, encoded = part.partition("=")
        name = unquote_plus(written)
        path = parameters.get(name)
        if path is None:
            # Cut, and safe to print, as an error travels in a header.
            shown = repr(name[:MAX_QUOTED_CHARACTERS])[1:-1]
            raise UnknownParameterError(shown, _explain(name, _json_names(request.DESCRIPTOR)))
        try:
            _set(request, path, name, unquote_plus(encoded, errors="strict"))
        except UnicodeDecodeError:
            raise ParameterError(name, "must be UTF-8, percent-encoded") from None


def _set(request: Any, path: Path, name: str, text: str) -> None:
    """Set one value in the message where it stands."""
    message = request
    for field in path[:-1]:
        message = getattr(message, field.name)
    field = path[-1]
    value = _value(field, name, text)
    if field.is_repeated:
        getattr(message, field.name).append(value)
        return
    if any(field.number == known.number for known, _ in message.ListFields()):
        raise ParameterError(name, "is given twice; give it once: in the query, in the path or in the body")
    if field.message_type is not None:
        getattr(message, field.name).CopyFrom(value)
    else:
        setattr(message, field.name, value)


def _value(field: FieldDescriptor, name: str, text: str) -> Any:
    if field.enum_type is not None:
        return _choice(field.enum_type, name, text)
    if field.message_type is not None:
        return _time(name, text)
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        if text not in BOOLEANS:
            raise ParameterError(name, f"must be true or false, not {quoted(text)}")
        return BOOLEANS[text]
    if field.cpp_type in DECIMALS:
        return _decimal(name, text)
    bounds = INTEGERS.get(field.cpp_type)
    return text if bounds is None else _integer(bounds, name, text)


def _integer(bounds: tuple[int, int], name: str, text: str) -> int:
    least, largest = bounds
    if not _INTEGER.fullmatch(text) or not least <= int(text) <= largest:
        raise ParameterError(name, f"must be a whole number of {least} to {largest}, not {quoted(text)}")
    return int(text)


def _decimal(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ParameterError(name, f"must be a number, not {quoted(text)}")
    return number


def _time(name: str, text: str) -> Timestamp:
    time = Timestamp()
    try:
        time.FromJsonString(text)
    except ValueError:
        # A plus sign that is not encoded arrives as a space.
        hint = "; write the + of an offset as %2B" if " " in text else ""
        example = "2025-01-31T12:00:00Z"
        raise ParameterError(name, f"must be an RFC 3339 time, as in {example}, not {quoted(text)}{hint}") from None
    return time


def _choice(enum: EnumDescriptor, name: str, text: str) -> int:
    choices = _choices(enum)
    number = choices.get(text.lower())
    if number is None:
        number = next((value.number for value in enum.values if value.name == text), None)
    if number is None:
        raise ParameterError(name, f"must be one of {', '.join(choices)}, not {quoted(text)}")
    return number


@lru_cache(maxsize=64)
def _choices(enum: EnumDescriptor) -> Mapping[str, int]:
    """List an enum's values by their short names: "day" for GRANULARITY_DAY; the value for "not given" has none."""
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return {value.name.removeprefix(prefix).lower(): value.number for value in enum.values if value.number}


@lru_cache(maxsize=64)
def _parameters(message: Descriptor) -> Mapping[str, Path]:
    """List a request's parameters by their names in JSON and in the .proto file."""
    paths = list(_paths(message, ()))
    by_name = {".".join(field.name for field in path): path for path in paths}
    return MappingProxyType(by_name | {_json_name(path): path for path in paths})


@lru_cache(maxsize=64)
def _json_names(message: Descriptor) -> tuple[str, ...]:
    return tuple(map(_json_name, _paths(message, ())))


def _json_name(path: Path) -> str:
    return ".".join(field.json_name for field in path)


def _paths(message: Descriptor, before: Path) -> list[Path]:
    """Go through the values below a message; lists of messages, free JSON and bytes cannot stand in a query."""
    found: list[Path] = []
    for field in message.fields:
        path = (*before, field)
        inner = field.message_type
        if inner is None:
            if field.type != FieldDescriptor.TYPE_BYTES:
                found.append(path)
        elif inner.full_name == TIMESTAMP and not field.is_repeated:
            found.append(path)
        elif _has_parameters(inner) and not field.is_repeated and inner not in {step.containing_type for step in path}:
            found += _paths(inner, path)
    return found


def _has_parameters(message: Descriptor) -> bool:
    """Return whether the fields of a message are parameters: those of google.protobuf and google.api are not."""
    return not message.file.package.startswith("google.") and not message.GetOptions().map_entry


def _explain(name: str, known: tuple[str, ...]) -> str:
    """List the known parameters, or suggest the one that the caller may have meant."""
    inner = (path for path in known if path.endswith(f".{name}"))
    near = next(inner, None) or nearest(name, known)
    hint = f"; did you mean {near}?" if near else ""
    if len(known) > MOST_NAMES:
        return f"is not a parameter of this path{hint or '; see GET /openapi.json for the list'}"
    return f"is not a parameter of this path, which takes {', '.join(known) or 'none'}{hint}"
