"""Compiles the rules of some fields into one function that reads and checks them in a single pass.

There is one function for each form: it reads a message, or the dict of a parsed JSON object. `reader_source` beside it
writes its source; this module has the functions that it calls. None of them changes its input.
"""

import linecache
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from events import violations
from events.event_type import Field, Form, Kind
from events.rules.field_rules import (
    describe,
    integer_problems,
    missing,
    newer,
    number,
    number_problem,
    shape_test,
    text_problems,
    whole_number,
    wrong_type,
)
from events.rules.member_names import MemberNames
from events.rules.object_reader import ObjectReader, plain_object
from events.rules.reader_source import write_reader
from events.violations import Problem, Violation

Reader = Callable[[Any, list[Violation]], dict[str, Any]]
"""Reads the set fields of a message or a dict as JSON values by JSON name; appends violations to the given list."""


def compile_reader(fields: Sequence[Field], version: str, owner: str, form: Form, place: str = "") -> Reader:
    """Make the reader of a message, or of a JSON object.

    A string is set if it is not empty, a list if it has an item, any other field if it is present or, without presence
    tracking, if it is not zero. In JSON, null counts as not set. A reader's result is complete only if it found no
    violation.

    Args:
        fields: the fields, of every version.
        version: the version of the events that it reads; a newer field that is set is a violation.
        owner: what the fields belong to, for example "view event"; stands in descriptions.
        form: what it reads.
        place: the path under which violations are noted; empty where the caller places them.
    """
    prefix = f"{place}." if place else ""
    paths = {field.name: prefix + field.name_in(form) for field in fields}
    names = _Refusals(fields, paths, version, owner).by_name()
    names["plain_object"] = plain_object
    names["rename"] = MemberNames(((field.name, field.json_name) for field in fields), owner, prefix).rename
    names["names"] = frozenset(field.json_name for field in fields)
    for field in fields:
        test = shape_test(field)
        if test is not None:
            names[f"is_{field.name}"] = test
        if field.kind is Kind.TEXTS:
            names[f"read_{field.name}"] = _text_list_reader(field, paths[field.name])
        elif field.kind is Kind.OBJECT:
            names[f"read_{field.name}"] = ObjectReader(field, paths[field.name]).read
    source, origin = write_reader(fields, version, form), f"<reader of a {owner} {version} in {form}>"
    linecache.cache[origin] = (len(source), None, source.splitlines(keepends=True), origin)  # for tracebacks
    exec(compile(source, origin, "exec"), names)  # noqa: S102 - our own text, made from our own .proto files
    reader: Reader = names["read"]
    return reader


def note(found: list[Violation], path: str, problems: Iterable[Problem]) -> None:
    """Append the problems of the field at a path, unless the list is full."""
    for rule, description in problems:
        if len(found) <= violations.MAX_VIOLATIONS:
            found.append(Violation(path, rule, description))


class _Refusals:
    """What the source calls about the field that it names: notes the broken rules, and converts odd JSON values."""

    def __init__(self, fields: Sequence[Field], paths: Mapping[str, str], version: str, owner: str) -> None:
        """Take the fields; `paths` are how violations name them, by their own names."""
        self._fields = {field.name: field for field in fields}
        self._paths, self._version, self._owner = paths, version, owner

    def by_name(self) -> dict[str, Any]:
        """Return the functions by their names in the source."""
        functions = (
            self.refuse_text,
            self.refuse_number,
            self.refuse_missing,
            self.refuse_newer,
            self.refuse_type,
            self.number_of,
            self.integer_of,
        )
        return {function.__name__: function for function in functions}

    def refuse_text(self, name: str, text: str, found: list[Violation]) -> None:
        note(found, self._paths[name], text_problems(self._fields[name], text))

    def refuse_number(self, name: str, value: float, found: list[Violation]) -> None:
        field = self._fields[name]
        is_whole = field.kind is Kind.INTEGER
        problems = integer_problems(field, int(value)) if is_whole else (number_problem(field, value),)
        note(found, self._paths[name], problems)

    def refuse_missing(self, name: str, found: list[Violation]) -> None:
        path = self._paths[name]
        if not any(violation.field == path for violation in found):  # one of the wrong type is not called missing too
            note(found, path, (missing(self._fields[name], self._owner),))

    def refuse_newer(self, name: str, found: list[Violation]) -> None:
        note(found, self._paths[name], (newer(self._fields[name].since, self._version),))

    def refuse_type(self, name: str, value: Any, found: list[Violation]) -> None:
        note(found, self._paths[name], (wrong_type(self._fields[name], value),))

    def number_of(self, name: str, value: Any, found: list[Violation]) -> float | None:
        read = number(value)
        if read is None:
            self.refuse_type(name, value, found)
        return read

    def integer_of(self, name: str, value: Any, found: list[Violation]) -> int | None:
        read = whole_number(value)
        if read is None:
            self.refuse_type(name, value, found)
        return read


def _text_list_reader(field: Field, path: str) -> Callable[[Any, list[Violation]], list[str]]:
    max_items, max_length = field.max_items, field.max_length

    def read(items: Any, found: list[Violation]) -> list[str]:
        texts: list[str] = items[:]  # a list of its own, in one step
        if len(texts) > max_items:
            note(found, path, [(violations.MAX_ITEMS, f"has {len(texts)} items; at most {max_items} are allowed")])
            return []
        for text in texts:
            if text.__class__ is not str or len(text) > max_length or "\0" in text:
                for index, item in enumerate(texts):
                    note(found, f"{path}[{index}]", _item_problems(field, item))
                break
        return texts

    return read


def _item_problems(field: Field, item: Any) -> Iterable[Problem]:
    if isinstance(item, str):
        return text_problems(field, item)
    return [(violations.TYPE, f"is {describe(item)}; expected {Kind.TEXT}")]
