"""Reads the free-form objects of an event into plain values, within limits."""

from collections.abc import Iterable
from typing import Any

from google.protobuf.struct_pb2 import Struct, Value

from events import violations
from events.event_type import Field
from events.rules.field_rules import (
    LARGEST_INTEGER,
    LARGEST_NUMBER,
    LEAST_INTEGER,
    LEAST_NUMBER,
    plain_number,
    text_problems,
)
from events.violations import Problem, Violation, key_path

_Place = tuple[str | int, ...]
"""The keys and indices that lead to a value from the outermost object."""
_which_oneof = Value.WhichOneof  # see events.rules.message_rules


def plain_object(struct: Struct) -> dict[str, Any]:
    """Convert a Struct into the dict of its parsed JSON; keys are sorted, because a Struct has no order."""
    members = struct.fields
    return {key: _plain_value(members[key]) for key in sorted(members)}


def _plain_value(value: Value) -> Any:
    kind = _which_oneof(value, "kind")
    if kind == "string_value":
        return value.string_value
    if kind == "number_value":
        return plain_number(value.number_value)
    if kind == "bool_value":
        return value.bool_value
    if kind == "struct_value":
        return plain_object(value.struct_value)
    if kind == "list_value":
        return [_plain_value(item) for item in value.list_value.values]
    return None  # null, and a Value that a caller left empty


class ObjectReader:
    """Copies an object, and notes violations of the rules of its field.

    It skips the content of objects and lists that have too many items or nest too deep, so its work is bounded by the
    input and its recursion by `max_depth`. Keys are sorted, so equal objects give equal text.
    """

    def __init__(self, field: Field, path: str) -> None:
        """Read the field's limits. `path`: how violations name the field."""
        self._field = field
        self._path = path
        self._max_length = field.max_length
        self._max_items = field.max_items

    def read(self, members: dict[str, Any], found: list[Violation]) -> dict[str, Any]:
        """Read an object of JSON values; violations are appended to `found`, under the field's own path."""
        return self._read_object(members, (), found)

    def _read_object(self, members: dict[str, Any], place: _Place, found: list[Violation]) -> dict[str, Any]:
        max_length = self._max_length
        if self._is_too_large(len(members), "keys", place, found):
            return {}
        result = {}
        for key in sorted(members):
            if len(key) > max_length or "\0" in key:
                problems = [(rule, f"has a key that {text}") for rule, text in self._text_problems(key)]
                self._note((*place, key), problems, found)
            result[key] = self._read_value(members[key], place, key, found)
        return result

    def _read_list(self, items: list[Any], place: _Place, found: list[Violation]) -> list[Any]:
        if self._is_too_large(len(items), "items", place, found):
            return []
        return [self._read_value(item, place, index, found) for index, item in enumerate(items)]

    def _read_value(self, value: Any, parent: _Place, step: str | int, found: list[Violation]) -> Any:
        """Read the value at a step from its parent; its place is built only when it is needed."""
        kind = value.__class__
        if kind is str:
            if len(value) > self._max_length or "\0" in value:
                self._note((*parent, step), self._text_problems(value), found)
        elif kind is dict:
            return self._read_object(value, (*parent, step), found)
        elif kind is list:
            return self._read_list(value, (*parent, step), found)
        elif kind is float:
            if LEAST_NUMBER <= value <= LARGEST_NUMBER:
                return plain_number(value)
            self._note((*parent, step), [_number_problem(value)], found)
        elif kind is int and not LEAST_INTEGER <= value <= LARGEST_INTEGER:
            self._note((*parent, step), [_number_problem(value)], found)
        return value

    def _is_too_large(self, size: int, noun: str, place: _Place, found: list[Violation]) -> bool:
        """Note an object or list that nests too deep or has too many items; a place of n keys is n objects deep."""
        field = self._field
        if len(place) >= field.max_depth:
            problem = f"nests deeper than the {field.max_depth} levels allowed; flatten it"
            self._note(place, [(violations.MAX_DEPTH, problem)], found)
            return True
        if size > self._max_items:
            problem = f"has {size} {noun}; at most {self._max_items} are allowed"
            self._note(place, [(violations.MAX_ITEMS, problem)], found)
            return True
        return False

    def _text_problems(self, text: str) -> Iterable[Problem]:
        return text_problems(self._field, text)

    def _note(self, place: _Place, problems: Iterable[Problem], found: list[Violation]) -> None:
        path = self._path
        for step in place:
            path = f"{path}[{step}]" if isinstance(step, int) else key_path(path, step)
        for rule, description in problems:
            if len(found) <= violations.MAX_VIOLATIONS:
                found.append(Violation(path, rule, description))


def _number_problem(value: float) -> Problem:
    if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - NaN
        return violations.FINITE, f"is {value}; expected a finite number"
    return violations.NUMBER_RANGE, "does not fit in 64 bits and cannot be stored exactly; send it as a string"
