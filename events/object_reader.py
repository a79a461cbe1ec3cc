"""Reads the free-form objects of an event (google.protobuf.Struct) into plain values, within limits."""

from collections.abc import Iterable
from typing import Any

from google.protobuf.struct_pb2 import ListValue, Struct, Value

from events import violations
from events.event_type import Field
from events.field_rules import bounds, number_problem, plain_number, text_problems
from events.violations import Problem, Violation, key_path

_Place = tuple[str | int, ...]
"""The keys and indices that lead to a value from the outermost object."""
_which_oneof = Value.WhichOneof  # see events.rules


class ObjectReader:
    """Turns a Struct into a dict, and notes what breaks the rules of its field.

    It does not look inside of what has too many items or nests too deep, so its work is bounded by what it was sent
    and its recursion by `max_depth`. Keys come out sorted, because a Struct has no order: equal objects give equal
    text.
    """

    def __init__(self, field: Field) -> None:
        self._field = field
        self._max_length = field.max_length
        self._max_items = field.max_items
        self._low, self._high = bounds(field)

    def read(self, struct: Struct, found: list[Violation]) -> dict[str, Any]:
        """Read a Struct; violations are appended to `found`, under the field's own name."""
        return self._read_struct(struct, (), found)

    def _read_struct(self, struct: Struct, place: _Place, found: list[Violation]) -> dict[str, Any]:
        members, max_length = struct.fields, self._max_length
        if self._is_too_large(len(members), "keys", place, found):
            return {}
        result = {}
        for key in sorted(members):
            if len(key) > max_length or "\0" in key:
                problems = [(rule, f"has a key that {text}") for rule, text in self._text_problems(key)]
                self._note((*place, key), problems, found)
            result[key] = self._read_value(members[key], place, key, found)
        return result

    def _read_list(self, values: ListValue, place: _Place, found: list[Violation]) -> list[Any]:
        items = values.values
        if self._is_too_large(len(items), "items", place, found):
            return []
        return [self._read_value(item, place, index, found) for index, item in enumerate(items)]

    def _read_value(self, value: Value, parent: _Place, step: str | int, found: list[Violation]) -> Any:
        """Read the value at a step from its parent; the place is put together only where it is needed."""
        kind = _which_oneof(value, "kind")
        if kind == "string_value":
            text = value.string_value
            if len(text) > self._max_length or "\0" in text:
                self._note((*parent, step), self._text_problems(text), found)
            return text
        if kind == "number_value":
            return self._read_number(value.number_value, parent, step, found)
        if kind == "bool_value":
            return value.bool_value
        if kind == "struct_value":
            return self._read_struct(value.struct_value, (*parent, step), found)
        if kind == "list_value":
            return self._read_list(value.list_value, (*parent, step), found)
        return None  # null, and a Value that a caller left empty

    def _read_number(self, number: float, parent: _Place, step: str | int, found: list[Violation]) -> float | None:
        if self._low <= number <= self._high:
            return plain_number(number)
        self._note((*parent, step), [number_problem(self._field, number)], found)
        return None

    def _is_too_large(self, size: int, noun: str, place: _Place, found: list[Violation]) -> bool:
        """Note an object or list that nests too deep or holds too much; a place of n keys lies n objects deep."""
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
        path, json_path = self._field.name, self._field.json_name
        for step in place:
            if isinstance(step, int):
                path, json_path = f"{path}[{step}]", f"{json_path}[{step}]"
            else:
                path, json_path = key_path(path, step), key_path(json_path, step)
        for rule, description in problems:
            if len(found) <= violations.MAX_VIOLATIONS:
                found.append(Violation(path, json_path, rule, description))
