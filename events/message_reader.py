"""Compiles the rules of a message's fields into one closure that reads and checks a message in a single pass.

Each kind of field has a loop of its own that tests the common case in as few steps as Python allows; the words for a
broken rule are found only when one is broken. No loop changes the message.

The two loops that run for every event zip without `strict`, which costs a tenth of a microsecond each: what they zip is
made from one list of fields.
"""

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

from google.protobuf.message import Message

from events import violations
from events.event_type import Field, Kind, is_newer
from events.field_rules import (
    bounds,
    missing,
    newer,
    number_problem,
    plain_number,
    shape_test,
    text_problems,
)
from events.object_reader import ObjectReader
from events.violations import Problem, Violation

Reader = Callable[[Message, list[Violation]], dict[str, Any]]
"""Reads the set fields of a message as JSON values by JSON name; appends what is wrong to the list given."""
_Fill = Callable[[Message, dict[str, Any], list[Violation]], None]


def compile_reader(fields: Sequence[Field], version: str, owner: str) -> Reader:
    """Make the reader of a message.

    A text is set when it is not empty, a list when it has an item, anything else when it is present or, where it does
    not track presence, when it is not zero. A reader's result is complete only when it found nothing wrong.

    Args:
        fields: the message's fields, of every version.
        version: the version of the events that it reads; a newer field that is set is a violation.
        owner: what the fields belong to, for example "view event"; stands in descriptions.
    """
    current = [field for field in fields if not is_newer(field, version)]
    later = [field for field in fields if is_newer(field, version)]
    fills = [_COMPILERS[kind](group, owner) for kind in Kind if (group := [f for f in current if f.kind is kind])]
    if later:
        fills.append(_refuse_newer(later, version))

    def read(message: Message, found: list[Violation]) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for fill in fills:
            fill(message, data, found)
        return data

    return read


def note(found: list[Violation], field: Field, problems: Iterable[Problem], index: int | None = None) -> None:
    """Append the problems of a field, or of one item of its list, unless there are plenty already."""
    suffix = "" if index is None else f"[{index}]"
    for rule, description in problems:
        if len(found) <= violations.MAX_VIOLATIONS:
            found.append(Violation(f"{field.name}{suffix}", f"{field.json_name}{suffix}", rule, description))


def _getter(fields: Sequence[Field]) -> Callable[[Message], tuple[Any, ...]]:
    """Make a function that gets several attributes in one step; attrgetter of a single name returns no tuple."""
    names = [field.name for field in fields]
    if len(names) > 1:
        return attrgetter(*names)
    return lambda message: (getattr(message, names[0]),)


def _compile_texts(fields: Sequence[Field], owner: str) -> _Fill:
    get = _getter(fields)
    slots = tuple((field, field.json_name, field.max_length, shape_test(field)) for field in fields)

    def fill(message: Message, data: dict[str, Any], found: list[Violation]) -> None:
        for (field, json_name, limit, test), text in zip(slots, get(message)):  # noqa: B905 - see above
            if text:
                if len(text) > limit or "\0" in text or (test is not None and not test(text)):
                    note(found, field, text_problems(field, text))
                data[json_name] = text
            elif field.required:
                note(found, field, [missing(field, owner)])

    return fill


def _compile_numbers(fields: Sequence[Field], owner: str) -> _Fill:
    get = _getter(fields)
    slots = tuple((field, field.json_name, *bounds(field)) for field in fields)

    def fill(message: Message, data: dict[str, Any], found: list[Violation]) -> None:
        for (field, json_name, low, high), value in zip(slots, get(message)):  # noqa: B905 - see above
            # Only a zero leaves presence open, and asking for it costs as much as the value.
            if value or (field.tracks_presence and message.HasField(field.name)):
                if low <= value <= high:  # NaN is not
                    data[json_name] = plain_number(value)
                else:
                    note(found, field, [number_problem(field, value)])
            elif field.required:
                note(found, field, [missing(field, owner)])

    return fill


def _compile_flags(fields: Sequence[Field], owner: str) -> _Fill:
    get = _getter(fields)

    def fill(message: Message, data: dict[str, Any], found: list[Violation]) -> None:
        for field, value in zip(fields, get(message), strict=True):
            if value or (field.tracks_presence and message.HasField(field.name)):
                data[field.json_name] = value
            elif field.required:
                note(found, field, [missing(field, owner)])

    return fill


def _compile_text_lists(fields: Sequence[Field], owner: str) -> _Fill:
    get = _getter(fields)

    def fill(message: Message, data: dict[str, Any], found: list[Violation]) -> None:
        for field, items in zip(fields, get(message), strict=True):
            texts = items[:]  # a list of its own, in one step
            if len(texts) > field.max_items:
                problem = f"has {len(texts)} items; at most {field.max_items} are allowed"
                note(found, field, [(violations.MAX_ITEMS, problem)])
            elif texts:
                for index, text in enumerate(texts):
                    if len(text) > field.max_length or "\0" in text:
                        note(found, field, text_problems(field, text), index)
                data[field.json_name] = texts
            elif field.required:
                note(found, field, [missing(field, owner)])

    return fill


def _compile_objects(fields: Sequence[Field], owner: str) -> _Fill:
    slots = tuple((field, field.name, attrgetter(field.name), ObjectReader(field).read) for field in fields)

    def fill(message: Message, data: dict[str, Any], found: list[Violation]) -> None:
        for field, name, get, read in slots:
            if message.HasField(name):
                data[field.json_name] = read(get(message), found)
            elif field.required:
                note(found, field, [missing(field, owner)])

    return fill


_COMPILERS: dict[Kind, Callable[[Sequence[Field], str], _Fill]] = {
    Kind.TEXT: _compile_texts,
    Kind.NUMBER: _compile_numbers,
    Kind.INTEGER: _compile_numbers,
    Kind.FLAG: _compile_flags,
    Kind.TEXTS: _compile_text_lists,
    Kind.OBJECT: _compile_objects,
}


def _refuse_newer(fields: Sequence[Field], version: str) -> _Fill:
    def fill(message: Message, data: dict[str, Any], found: list[Violation]) -> None:  # noqa: ARG001 - a _Fill
        for field in fields:
            if _is_set(message, field):
                note(found, field, [newer(field.since, version)])

    return fill


def _is_set(message: Message, field: Field) -> bool:
    """Tell whether a field is set, in the sense of `compile_reader`."""
    if field.tracks_presence and field.kind is not Kind.TEXT:
        return message.HasField(field.name)
    return bool(getattr(message, field.name))
