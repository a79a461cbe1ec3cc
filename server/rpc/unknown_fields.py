"""Fields of JSON bodies that the transcoder drops: the gateway names them in a header, and they are refused."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import grpc

from events.violations import UNKNOWN_FIELD, Violation, nearest
from gateway import headers
from server.rpc.gateway_calls import header_of
from server.rpc.refusals import UnknownFieldError
from sociallive.analytics.v1.event_pb2 import Event

ONE_EVENT = "event."
SEVERAL_EVENTS = "events."
MOST_PLACES = 5_000
"""As many events as a message may hold; what names more places did not come from the gateway."""

_PLACES = r"\d{1,7}(?:-\d{1,7})?"
_ENTRY = re.compile(rf"([\w.?]{{1,200}}):((?:{_PLACES}(?:,{_PLACES})*)?)")

Context = grpc.aio.ServicerContext[Any, Any]


def unknown_fields(context: Context) -> Mapping[int, Sequence[Violation]]:
    """Read which fields the body of a REST call has that no event has, by the place of the event; 0 for a single one.

    Raises:
        UnknownFieldError: the fields stand outside of the events, or are too many to tell.
    """
    told = header_of(context, headers.UNKNOWN_FIELDS)
    if not told:
        return {}
    found: dict[int, list[Violation]] = {}
    for entry in told.split(";"):
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise UnknownFieldError("body", "has more unknown fields than can be told apart: send fewer events at once")
        path, places = match[1], match[2]
        prefix = next((prefix for prefix in (ONE_EVENT, SEVERAL_EVENTS) if path.startswith(prefix)), None)
        if prefix is None:
            raise UnknownFieldError(path, "is no field of the request")
        violation = _violation(path.removeprefix(prefix))
        for place in _places(places):
            found.setdefault(place, []).append(violation)
    return found


def _violation(path: str) -> Violation:
    *parents, name = path.split(".")
    near = nearest(name, _names_in(tuple(parents)))
    return Violation(path, UNKNOWN_FIELD, f"is no field of {'.'.join(parents) or 'an event'}; {_hint(near)}")


@lru_cache(maxsize=64)
def _names_in(path: tuple[str, ...]) -> tuple[str, ...]:
    """List the fields of the message at this path of an event; none where there is no such message."""
    message: Any = Event.DESCRIPTOR  # types-protobuf tells two classes apart that are one
    for name in path:
        fields = message.fields if message is not None else ()
        message = next((field.message_type for field in fields if name in (field.json_name, field.name)), None)
    return tuple(field.json_name for field in message.fields) if message is not None else ()


def _hint(near: str | None) -> str:
    return f"did you mean {near}?" if near else "GET /openapi.json lists those that there are; leave it out"


def _places(text: str) -> Iterable[int]:
    """Read "0-4,7"; a single event has no places, and is the first one."""
    if not text:
        yield 0
    for part in text.split(",") if text else ():
        first, _, last = part.partition("-")
        yield from range(int(first), min(int(last or first), MOST_PLACES) + 1)
