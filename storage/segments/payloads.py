"""JSON texts to typed columns and back, without losing anything: what has no column, or does not fit it, stays JSON."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from storage.segments.schema import TEXT, Column

MAX_EXACT_INTEGER = 2**53
"""Up to here each whole number is a double of its own."""
_LONG_NUMBER = re.compile(r"[:\[,]\s*-?[0-9.]{16,}")
"""A number with more digits than each double keeps: up to 15 of them come back as they were."""


@dataclass(slots=True)
class Split:
    """Some JSON objects as columns.

    Attributes:
        columns: an array for each column that has a value; as long as there are texts.
        extras: what has no column, as JSON; None where all is in columns.
    """

    columns: dict[str, pa.Array]
    extras: list[str | None]


def split(texts: Sequence[str], columns: Sequence[Column]) -> Split:
    """Put the members of JSON objects into columns.

    Args:
        texts: JSON objects; another text stays an extra as it is.
        columns: by their `json_name`.
    """
    is_exact = any(column.kind in {"decimal", "uint64"} for column in columns)
    objects = _parse(texts, exact=is_exact and any(map(_LONG_NUMBER.search, texts)))
    is_plain = set(map(type, objects)) <= {dict}
    members = objects if is_plain else [value if isinstance(value, dict) else {} for value in objects]
    names = set(chain.from_iterable(members))
    found: dict[str, pa.Array] = {}
    for column in columns:
        if column.json_name in names:
            values = [member.pop(column.json_name, None) for member in members]
            array = _array(column, values, members)
            if array.null_count < len(array):
                found[column.name] = array
    if is_plain and not any(members):
        return Split(found, [None] * len(texts))
    extras = [
        (orjson.dumps(member, default=_number).decode() if member else None) if isinstance(value, dict) else text
        for text, value, member in zip(texts, objects, members, strict=True)
    ]
    return Split(found, extras)


def join(columns: Sequence[tuple[Column, Sequence[Any]]], extras: Sequence[str | None], row: int) -> str:
    """Write the JSON object of a row, in the order of the columns.

    Args:
        columns: with their values.
        extras: as `split` made them.
        row: the place of the row.
    """
    extra = extras[row]
    rest: Any = {}
    if extra is not None:
        rest = _parse_one(extra, _loads_exactly)
        if not isinstance(rest, dict):
            return extra
    members = {
        column.json_name: _WRITERS.get(column.kind, _same)(value)
        for column, values in columns
        if (value := values[row]) is not None
    }
    return orjson.dumps(members | rest, default=_number).decode()


def _parse(texts: Sequence[str], *, exact: bool) -> list[Any]:
    """Parse texts; `exact` keeps every digit of numbers, as Decimal."""
    if exact:
        return [_parse_one(text, _loads_exactly) for text in texts]
    try:
        together: list[Any] = orjson.loads("[" + ",".join(texts) + "]")
    except orjson.JSONDecodeError:
        together = []
    # A text that is no JSON may still make a list with its neighbours, of another length.
    return together if len(together) == len(texts) else [_parse_one(text, orjson.loads) for text in texts]


def _parse_one(text: str, parse: Callable[[str], Any]) -> Any:
    try:
        return parse(text)
    except ValueError:
        return None


def _loads_exactly(text: str) -> Any:
    return json.loads(text, parse_float=Decimal, parse_int=_integer)


def _integer(digits: str) -> int | Decimal:
    """Read an integer; one past 64 bits as Decimal, since only those are written with all their digits."""
    value = int(digits)
    return value if -(2**63) <= value < 2**64 else Decimal(digits)


def _array(column: Column, values: list[Any], members: Sequence[dict[str, Any]]) -> pa.Array:
    """Make the array of a column; values that do not fit go back to their members."""
    array = _convert(column, values)
    if array is None:
        for place, value in enumerate(values):
            if value is not None and _convert(column, [value]) is None:
                members[place][column.json_name] = value
                values[place] = None
        array = _convert(column, values)
    return array


def _convert(column: Column, values: Sequence[Any]) -> pa.Array | None:
    """Make an array, or None where a value does not fit."""
    taken, convert = _KINDS[column.kind]
    types = set(map(type, values)) - {type(None)}
    if not types <= taken:
        return None
    try:
        if convert is not None and not (column.kind == "double" and Decimal not in types):
            values = [None if value is None else convert(value) for value in values]
        if column.type == TEXT:
            return pa.array(values, pa.string()).dictionary_encode()
        return pa.array(values, column.type)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, ValueError):
        return None


def _to_double(value: float | Decimal) -> float:
    """Turn a number into a double that says the same."""
    double = float(value)
    if isinstance(value, Decimal) and Decimal(repr(double)) != value:
        raise ValueError("a double does not hold these digits")
    return double


def _to_decimal(value: float | Decimal) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(repr(value))


def _dump(value: object) -> str:
    """Write canonical JSON."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS, default=_number).decode()


_KINDS: Mapping[str, tuple[frozenset[type], Callable[[Any], Any] | None]] = {
    "text": (frozenset({str}), None),
    "double": (frozenset({int, float, Decimal}), _to_double),
    "decimal": (frozenset({int, float, Decimal}), _to_decimal),
    "int32": (frozenset({int}), None),
    "int64": (frozenset({int}), None),
    "uint64": (frozenset({int}), Decimal),
    "flag": (frozenset({bool}), None),
    "texts": (frozenset({list}), None),
    "json": (frozenset({dict}), _dump),
}
"""For each kind of column: the types of values that may fit, and what turns one into what the array takes."""


def _same(value: Any) -> Any:
    return value


def _plain_double(value: float) -> float | int:
    """Write a whole number without a fraction, as the normaliser does: 45.0 is 45."""
    if value % 1 or not -MAX_EXACT_INTEGER <= value <= MAX_EXACT_INTEGER:
        return value
    return int(value)


def _plain_decimal(value: Decimal) -> orjson.Fragment:
    """Write a decimal without the zeros at its end: 29.990 is 29.99, and 100 is 100."""
    text = f"{value:f}"
    return orjson.Fragment(text.rstrip("0").rstrip(".") if "." in text else text)


def _number(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value))
    raise TypeError


_WRITERS: Mapping[str, Callable[[Any], Any]] = {
    "double": _plain_double,
    "decimal": _plain_decimal,
    "uint64": int,
    "json": orjson.Fragment,
}


def spread(array: pa.Array, places: "np.ndarray[Any, np.dtype[np.int64]]", length: int) -> pa.Array:
    """Put the values of an array at places of a longer one, which is null elsewhere."""
    if len(array) == length:
        return array
    sources = np.full(length, -1, np.int32)
    sources[places] = np.arange(len(places), dtype=np.int32)
    return array.take(pa.array(sources, mask=sources < 0))
