"""Which rows of a table of events a pattern names, and what a field of theirs holds.

A field lies in a column of its own, `purchase.amount`, where its value has the column's type; else in the JSON of
`extra` or `device_extra`. The result is the same.

Example:
    >>> table = make_table([make_row(event_data='{"contentType":"post"}'), make_row(platform="ios")])
    >>> path = FieldPath("event_data", ("contentType",), ValueKind.TEXT)
    >>> matches(table, EventPattern("view", (Condition(path, Operator.EQUAL, ("post",)),))).tolist()
    [True, False]
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reports.patterns import numbers
from reports.patterns.json_values import compares, text_of, value_at
from reports.patterns.predicates import Condition, EventPattern, FieldPath, Operator, Value, ValueKind
from storage.segments.schema import DEVICE, TEXT, EventColumns

Flags = np.ndarray[Any, np.dtype[np.bool_]]
"""One flag for each row."""

_TEXT_ORDERS: Mapping[Operator, Callable[[Any, Any], Any]] = {
    Operator.EQUAL: pc.equal,
    Operator.GREATER: pc.greater,
    Operator.AT_LEAST: pc.greater_equal,
    Operator.LESS: pc.less,
    Operator.AT_MOST: pc.less_equal,
}
"""Arrow compares the bytes of UTF-8, which have the order of code points."""


def matches(table: pa.Table, pattern: EventPattern) -> Flags:
    """Tell for each row whether it is of the pattern's type and fulfils every condition.

    Args:
        table: with the columns that `columns_of` names; those that it lacks hold nothing.
        pattern: which events are meant.
    """
    found = np.ones(len(table), bool)
    if pattern.event_type is not None:
        found = _of_codes(_array(table, "event_type"), lambda texts: pc.equal(texts, pattern.event_type))
    for condition in pattern.conditions:
        if not found.any():
            break
        fulfilled = np.zeros(len(table), bool)
        for part in _parts(table, condition.path, pattern.event_type):
            fulfilled |= part.fulfils(condition)
        found &= fulfilled
    return found


def columns_of(pattern: EventPattern, known: EventColumns) -> tuple[str, ...]:
    """Name the columns that `matches` needs for a pattern, each once."""
    names = [] if pattern.event_type is None else ["event_type"]
    for condition in pattern.conditions:
        names += columns_of_field(condition.path, known, pattern.event_type)
    return tuple(dict.fromkeys(names))


def columns_of_field(path: FieldPath, known: EventColumns, event_type: str | None = None) -> tuple[str, ...]:
    """Name the columns that may hold a field.

    Args:
        path: of the field.
        known: the columns of the catalogue.
        event_type: of the events whose field it is; None for events of any type.
    """
    if not path.keys:
        return (path.column,)
    structs = known.structs.items()
    names = [
        column.name
        for struct, columns in structs
        for column in columns
        if _holds(struct, path, event_type) and column.json_name == path.keys[0]
    ]
    return (*names, _extra_of(path))


def texts_of(table: pa.Table, path: FieldPath) -> pa.DictionaryArray:
    """Read a field as text, with null where it is missing.

    A number is written without an exponent, a flag as "true" or "false", an object or a list as JSON. Distinct texts
    may stand in the dictionary that no row has.

    Args:
        table: with the columns that `columns_of_field` names.
        path: of the field.
    """
    texts = [part.texts() for part in _parts(table, path, None)]
    if not texts:
        return pa.nulls(len(table), TEXT)
    if len(texts) == 1:
        return texts[0]
    return pc.coalesce(*(array.cast(pa.string()) for array in texts)).dictionary_encode()


@dataclass(frozen=True, slots=True)
class _Part:
    """A column that holds a field for some rows, and null for others.

    Attributes:
        array: the column.
        keys: under which keys of its JSON the value lies; None where it is the value.
    """

    array: pa.Array
    keys: tuple[str, ...] | None

    def fulfils(self, condition: Condition) -> Flags:
        """Tell for each row whether its value fulfils a condition; a missing one fulfils none."""
        match condition.operator:
            case Operator.EXISTS:
                return self._exists()
            case Operator.UNEQUAL:
                return self._exists() & ~self._compare(Operator.EQUAL, condition)
            case Operator.IN:
                return self._compare(Operator.EQUAL, condition)
            case order:
                return self._compare(order, condition)

    def texts(self) -> pa.DictionaryArray:
        """Write the values as texts."""
        array = self.array if self.array.type == TEXT else self.array.dictionary_encode()
        if self.keys is None and array.type == TEXT:
            return array
        values = array.dictionary.to_pylist()
        if self.keys is not None:
            values = [value_at(text, self.keys) for text in values]
        distinct = pa.array([text_of(value) for value in values], pa.string()).dictionary_encode()
        return pa.DictionaryArray.from_arrays(pc.take(distinct.indices, array.indices), distinct.dictionary)

    def _exists(self) -> Flags:
        if self.keys is None:
            return _flags(self.array.is_valid())
        return self._of_json(lambda value: value is not None)

    def _compare(self, order: Operator, condition: Condition) -> Flags:
        """Tell for each row whether its value compares with one of the condition's."""
        kind, literals = condition.path.kind, condition.values
        if self.keys is not None:
            return self._of_json(lambda value: any(compares(value, kind, order, literal) for literal in literals))
        found = np.zeros(len(self.array), bool)
        for literal in literals:
            found |= _compare_column(self.array, order, literal)
        return found

    def _of_json(self, holds: Callable[[Any], bool]) -> Flags:
        keys = self.keys or ()

        def of_texts(texts: pa.Array) -> pa.Array:
            return pa.array([holds(value_at(text, keys)) for text in texts.to_pylist()], pa.bool_())

        return _of_codes(self.array, of_texts)


def _parts(table: pa.Table, path: FieldPath, event_type: str | None) -> Iterator[_Part]:
    """List the columns of a table that may hold a field."""
    if not path.keys:
        if path.column in table.column_names:
            yield _Part(_array(table, path.column), None)
        return
    for name in table.column_names:
        struct, dot, field = name.partition(".")
        if dot and _holds(struct, path, event_type) and json_name_of(field) == path.keys[0]:
            array = _array(table, name)
            is_json = path.kind is ValueKind.FREE or len(path.keys) > 1
            if not is_json or array.type == TEXT:
                yield _Part(array, path.keys[1:] if is_json else None)
    extra = _extra_of(path)
    if extra in table.column_names:
        yield _Part(_array(table, extra), path.keys)


def _holds(struct: str, path: FieldPath, event_type: str | None) -> bool:
    """Tell whether the columns of a struct may hold a field."""
    if path.column == DEVICE:
        return struct == DEVICE
    return struct != DEVICE and event_type in (None, struct)


def _extra_of(path: FieldPath) -> str:
    return "device_extra" if path.column == DEVICE else "extra"


def json_name_of(field: str) -> str:
    """Turn a field's name into its name in JSON, as proto3 does; the catalogue refuses fields with another one."""
    first, *words = field.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in words)


def _array(table: pa.Table, name: str) -> pa.Array:
    """Take a column as one array."""
    column = table[name]
    if column.num_chunks == 1:
        return column.chunk(0)
    return column.unify_dictionaries().combine_chunks()


def _compare_column(array: pa.Array, order: Operator, literal: Value) -> Flags:
    """Compare the values of a column with a literal; values of another kind than the literal's do not compare."""
    if isinstance(literal, Decimal):
        if numbers.has_numbers(array.type):
            return numbers.compare(array, order, literal)
    elif isinstance(literal, bool):
        if pa.types.is_boolean(array.type) and order is Operator.EQUAL:
            return _flags(pc.equal(array, literal))
    elif array.type == TEXT:
        return _of_codes(array, lambda texts: _TEXT_ORDERS[order](texts, literal))
    elif pa.types.is_list(array.type) and order is Operator.EQUAL:
        found = np.zeros(len(array), bool)
        found[pc.list_parent_indices(array).to_numpy()[_flags(pc.equal(pc.list_flatten(array), literal))]] = True
        return found
    return np.zeros(len(array), bool)


def _of_codes(array: pa.DictionaryArray, holds: Callable[[pa.Array], pa.Array]) -> Flags:
    """Ask once for each distinct text whether something holds, and give every row the answer of its own."""
    texts, indices = array.dictionary, array.indices
    if len(texts) > len(array):  # of a few rows of a large table
        used = indices.drop_null().unique()
        texts = texts.take(used)
        indices = pc.index_in(indices, used)
    answers = np.append(_flags(holds(texts)), False)  # the last one stands for no text
    codes = indices.fill_null(len(texts)) if indices.null_count else indices
    found: Flags = answers[codes.to_numpy()]
    return found


def _flags(array: pa.Array) -> Flags:
    found: Flags = pc.fill_null(array, fill_value=False).to_numpy(zero_copy_only=False)
    return found
