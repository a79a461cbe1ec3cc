"""Compiles the rules of a message's fields into one function that reads and checks a message in a single pass.

`events.reader_source` writes that function; here is what it calls. Nothing here changes the message.
"""

import linecache
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from google.protobuf.message import Message

from events import violations
from events.event_type import Field, Kind
from events.field_rules import missing, newer, number_problem, plain_number, shape_test, text_problems
from events.object_reader import ObjectReader
from events.reader_source import write_reader
from events.violations import Problem, Violation

Reader = Callable[[Message, list[Violation]], dict[str, Any]]
"""Reads the set fields of a message as JSON values by JSON name; appends what is wrong to the list given."""


def compile_reader(fields: Sequence[Field], version: str, owner: str, place: str = "") -> Reader:
    """Make the reader of a message.

    A text is set when it is not empty, a list when it has an item, anything else when it is present or, where it does
    not track presence, when it is not zero. A reader's result is complete only when it found nothing wrong.

    Args:
        fields: the message's fields, of every version.
        version: the version of the events that it reads; a newer field that is set is a violation.
        owner: what the fields belong to, for example "view event"; stands in descriptions.
        place: the message's own path, under which violations are noted; empty where the caller places them.
    """
    placed = {field.name: _placed(field, place) for field in fields}
    names = _refusals(placed, version, owner)
    for field in fields:
        test = shape_test(field)
        if test is not None:
            names[f"is_{field.name}"] = test
        if field.kind is Kind.TEXTS:
            names[f"read_{field.name}"] = _text_list_reader(placed[field.name])
        elif field.kind is Kind.OBJECT:
            names[f"read_{field.name}"] = ObjectReader(placed[field.name]).read
    source, origin = write_reader(fields, version), f"<reader of a {owner} {version}>"
    linecache.cache[origin] = (len(source), None, source.splitlines(keepends=True), origin)  # for tracebacks
    exec(compile(source, origin, "exec"), names)  # noqa: S102 - our own text, made from our own .proto files
    reader: Reader = names["read"]
    return reader


def note(found: list[Violation], field: Field, problems: Iterable[Problem], index: int | None = None) -> None:
    """Append the problems of a field, or of one item of its list, unless there are plenty already."""
    name, json_name = field.name, field.json_name
    if index is not None:
        name, json_name = f"{name}[{index}]", f"{json_name}[{index}]"
    for rule, description in problems:
        if len(found) <= violations.MAX_VIOLATIONS:
            found.append(Violation(name, json_name, rule, description))


def _placed(field: Field, place: str) -> Field:
    """Put the path of its message before a field's names."""
    if not place:
        return field
    return replace(field, name=f"{place}.{field.name}", json_name=f"{place}.{field.json_name}")


def _refusals(by_name: Mapping[str, Field], version: str, owner: str) -> dict[str, Any]:
    """Make the functions that note a broken rule of the field that they are told, by their names in the source.

    Args:
        by_name: the fields as violations name them, by their own names.
        version: as for `compile_reader`.
        owner: likewise.
    """
    absent = {name: Violation(field.name, field.json_name, *missing(field, owner)) for name, field in by_name.items()}

    def refuse_text(name: str, text: str, found: list[Violation]) -> None:
        field = by_name[name]
        note(found, field, text_problems(field, text))

    def refuse_number(name: str, value: float, found: list[Violation]) -> None:
        field = by_name[name]
        note(found, field, (number_problem(field, value),))

    def refuse_missing(name: str, found: list[Violation]) -> None:
        if len(found) <= violations.MAX_VIOLATIONS:
            found.append(absent[name])

    def refuse_newer(name: str, found: list[Violation]) -> None:
        note(found, by_name[name], [newer(by_name[name].since, version)])

    return {
        "refuse_text": refuse_text,
        "refuse_number": refuse_number,
        "refuse_missing": refuse_missing,
        "refuse_newer": refuse_newer,
        "plain_number": plain_number,
    }


def _text_list_reader(field: Field) -> Callable[[Any, list[Violation]], list[str]]:
    max_items, max_length = field.max_items, field.max_length

    def read(items: Any, found: list[Violation]) -> list[str]:
        texts: list[str] = items[:]  # a list of its own, in one step
        if len(texts) > max_items:
            problem = f"has {len(texts)} items; at most {max_items} are allowed"
            note(found, field, [(violations.MAX_ITEMS, problem)])
            return []
        for text in texts:
            if len(text) > max_length or "\0" in text:
                for index, item in enumerate(texts):
                    note(found, field, text_problems(field, item), index)
                break
        return texts

    return read
