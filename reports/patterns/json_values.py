"""Values within JSON texts: found under keys, compared with literals, written as text."""

import json
import operator
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import orjson

from reports.patterns.predicates import Operator, Value, ValueKind

_ORDERS: Mapping[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQUAL: operator.eq,
    Operator.GREATER: operator.gt,
    Operator.AT_LEAST: operator.ge,
    Operator.LESS: operator.lt,
    Operator.AT_MOST: operator.le,
}


def value_at(text: str, keys: Sequence[str]) -> Any:
    """Read the value under keys of a JSON object, with all digits; None where there is none, and for a JSON null."""
    try:
        value = _follow(orjson.loads(text), keys)
        # A float may have lost digits, which only the slow parser keeps.
        return _follow(json.loads(text, parse_float=Decimal), keys) if isinstance(value, float) else value
    except ValueError:
        return None


def _follow(value: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def compares(value: Any, kind: ValueKind, order: Operator, literal: Value) -> bool:
    """Tell whether a JSON value compares with a literal; one of another type than the literal's does not.

    Args:
        value: as `value_at` reads it.
        kind: what the field should hold.
        order: all but IN, EXISTS and UNEQUAL.
        literal: what it is compared with.
    """
    if value is None:
        return False
    if isinstance(literal, bool):
        return isinstance(value, bool) and order is Operator.EQUAL and value is literal
    if isinstance(literal, Decimal):
        return _is_number(value) and _ORDERS[order](value, literal)
    if kind is ValueKind.TEXTS:
        return literal in value if isinstance(value, list | dict) else value == literal
    if not isinstance(value, str):
        if kind is not ValueKind.TEXT:
            return False
        value = text_of(value)
    return _ORDERS[order](value, literal)


def text_of(value: Any) -> str | None:
    """Write a value as text: numbers without an exponent and without zeros at their end, objects and lists as JSON.

    Example:
        >>> [text_of(value) for value in ("a", 20.0, Decimal("0.10"), True, {"b": 1}, None)]
        ['a', '20', '0.1', 'true', '{"b":1}', None]
    """
    if value is None or isinstance(value, str):
        return value
    if not _is_number(value):
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS, default=float).decode()
    if isinstance(value, int):
        return str(value)
    text = f"{Decimal(repr(value)) if isinstance(value, float) else value:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)
