"""Values that nearly compare: exact numbers, texts in the order of code points, and what has no column."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import product
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest

from reports.patterns import json_values, matching, numbers
from reports.patterns.matching import columns_of, json_name_of, matches, texts_of
from reports.patterns.predicates import Condition, EventPattern, FieldPath, Operator, Value, ValueKind
from tests.event_tables import KNOWN, make_table
from tests.oracle import matching as definition
from tests.oracle.history import Happening
from tests.oracle.mutants import mutated
from tests.rows import make_id

NUMBERS = (
    0, -1, 5, 45.0, 0.1, 0.30000000000000004, 0.3, -0.1, 19.99, 20.01, 5e-324, 1.7976931348623157e308, 1e20, 1e-19,
    2**53, 2**53 + 2, 1e22,
)  # fmt: skip
"""Some fit a column of doubles, or one of decimals, and some lie beside them as JSON."""
LONG_NUMBERS = (99999999999999999999, 2**64)
"""No double says the same: only amounts may have so many digits."""
TEXTS = ("", "a", "Z", "z", "\u00e9", "\uffee", "\U0001f600", "true", "1", "1.50", '{"a":1}')
VALUES: tuple[Any, ...] = (*NUMBERS, *TEXTS, True, False, None, {"deep": 1.5}, {"deep": {"er": "x"}}, ["a"], [])
LITERALS: dict[type, tuple[Value, ...]] = {
    Decimal: (
        *(Decimal(number) for number in (0, -1, 5, 45, 2**53, 2**53 + 1, 10**20 - 1, 10**20, 2**64, 10**22)),
        *map(Decimal, ("-0.0", "0.1", "0.10000000000000001", "0.09999999999999999", "0.5", "19.99", "20.01")),
        *map(Decimal, ("0.3", "0.30000000000000004", "0.3000000000000001", "5e-324", "1e-400", "1e-19", "1e-18")),
        *map(Decimal, ("1.7976931348623157e308", "1e400", "-1e400")),
    ),
    str: TEXTS,
    bool: (True, False),
}
DATA, DEVICE = "event_data", "device"
FIELDS: tuple[tuple[str | None, FieldPath, tuple[type, ...]], ...] = (
    ("view", FieldPath(DATA, ("viewDuration",), ValueKind.NUMBER), (Decimal,)),
    ("purchase", FieldPath(DATA, ("amount",), ValueKind.NUMBER), (Decimal,)),
    ("purchase", FieldPath(DATA, ("quantity",), ValueKind.NUMBER), (Decimal,)),
    ("stream", FieldPath(DATA, ("viewerCount",), ValueKind.NUMBER), (Decimal,)),
    ("view", FieldPath(DATA, ("contentId",), ValueKind.TEXT), (str,)),
    ("engagement", FieldPath(DATA, ("metadata", "value"), ValueKind.FREE), (str, bool, Decimal)),
    ("engagement", FieldPath(DATA, ("metadata", "value", "deep"), ValueKind.FREE), (str, bool, Decimal)),
    ("purchase", FieldPath(DATA, ("conversionPath",), ValueKind.TEXTS), (str,)),
    (None, FieldPath(DEVICE, ("osVersion",), ValueKind.TEXT), (str,)),
    (None, FieldPath("platform", (), ValueKind.TEXT), (str,)),
)
ORDERS = [operator for operator in Operator if operator not in (Operator.IN, Operator.EXISTS)]


def make_events() -> Iterator[Happening]:
    """Make events whose fields hold all of these values, each where events may hold it."""
    moment = datetime(2026, 3, 10, tzinfo=UTC)
    plain = Happening("ann", moment, 0, "", "view", moment, signed_in=True, platform=None, device=None, data={})
    for number in NUMBERS:
        yield replace(plain, data={"viewDuration": number})
        if isinstance(number, int):
            yield replace(plain, event_type="purchase", data={"quantity": number})
            yield replace(plain, event_type="stream", data={"viewerCount": number})
    for number in (*NUMBERS, *LONG_NUMBERS):
        yield replace(plain, event_type="purchase", data={"amount": number})
    for text in TEXTS:
        yield replace(plain, platform=text, device={"osVersion": text}, data={"contentId": text})
        yield replace(plain, event_type="purchase", data={"conversionPath": [text, "b"]})
    for value in VALUES:
        yield replace(plain, event_type="engagement", data={"metadata": {"value": value}})
        yield replace(plain, event_type="poke", device={"newer": "1"}, data={"metadata": {"value": value}})


EVENTS = [replace(event, event_id=make_id()) for event in make_events()]
TABLE = make_table([event.row() for event in EVENTS])


def differences(pattern: EventPattern) -> set[str]:
    """List the events that a table and the definition disagree about."""
    needed = {"event_id", *columns_of(pattern, KNOWN)}
    table = TABLE.select([name for name in TABLE.column_names if name in needed])
    ids = [str(UUID(bytes=value)) for value in table["event_id"].to_pylist()]
    found = {key for key, holds in zip(ids, matches(table, pattern).tolist(), strict=True) if holds}
    return found ^ {event.event_id for event in EVENTS if definition.matches(pattern, event)}


def patterns() -> Iterator[EventPattern]:
    """Ask about every field with every operator and literal that a question may compare it with."""
    for event_type, path, types in FIELDS:
        yield EventPattern(event_type, (Condition(path, Operator.EXISTS),))
        literals = [literal for kind in types for literal in LITERALS[kind]]
        for operator, literal in product(ORDERS, literals):
            is_ordered = operator not in (Operator.EQUAL, Operator.UNEQUAL)
            if not (is_ordered and (isinstance(literal, bool) or path.kind is ValueKind.TEXTS)):
                yield EventPattern(event_type, (Condition(path, operator, (literal,)),))
        yield EventPattern(event_type, (Condition(path, Operator.IN, tuple(literals[::2])),))


def test_values_compare_as_they_are_written() -> None:
    """Every digit counts, whatever the column's type is; values of another type do not compare."""
    wrong = [pattern for pattern in patterns() if differences(pattern)]
    assert wrong == []


MUTATIONS: dict[str, tuple[ModuleType, str, str]] = {
    "a type that is forgotten": (matching, "pc.equal(texts, pattern.event_type)", "pc.is_valid(texts)"),
    "missing values that are unequal": (matching, "self._exists() & ~self._compare", "~self._compare"),
    "fields without a column": (matching, "if extra in table.column_names:", "if extra == 'device_extra':"),
    "one of several values": (matching, "found |= _compare_column", "found &= _compare_column"),
    "lists compared as texts": (matching, "elif pa.types.is_list(array.type) and", "elif False and"),
    "doubles as binary fractions": (numbers, "Decimal(repr(nearest))", "Decimal(nearest)"),
    "doubles beside a literal": (numbers, "is_above = shown > literal", "is_above = shown < literal"),
    "decimals beside a literal": (numbers, "order = _BESIDE.get(order, order)", "pass"),
    "literals past what a column holds": (numbers, "is_above = literal > high", "is_above = literal < low"),
    "numbers that lost digits": (json_values, "parse_float=Decimal", "parse_float=float"),
    "flags that look like texts": (json_values, "return isinstance(value, bool) and", "return bool(value) or"),
    "numbers that look like texts": (json_values, "if kind is not ValueKind.TEXT:", "if kind is None:"),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_the_definition_sees_a_change_of_the_code(mutation: str) -> None:
    """A comparison that is a little wrong is wrong for one of the values above."""
    module, old, new = MUTATIONS[mutation]
    with mutated(module, old, new):
        for pattern in patterns():
            with suppress(TypeError, AttributeError):  # a change that is an error would be seen too, but says little
                if differences(pattern):
                    return
    pytest.fail("nobody would notice")


def test_texts_show_numbers_without_exponent_and_flags_as_words() -> None:
    """The same way whether the value has a column or lies in JSON."""
    shown = {
        path: {text for text in texts_of(TABLE, path).to_pylist() if text is not None}
        for path in (FIELDS[0][1], FIELDS[1][1], FIELDS[5][1], FIELDS[8][1])
    }
    plain = {"0", "-1", "5", "45", "0.1", "0.30000000000000004", "19.99", "1" + 20 * "0", "9007199254740992"}
    assert plain <= shown[FIELDS[0][1]]
    assert plain <= shown[FIELDS[1][1]]
    assert {*plain, "true", "false", "a", "1.50", "[]", '{"deep":1.5}'} <= shown[FIELDS[5][1]]
    assert shown[FIELDS[8][1]] == set(TEXTS)


def test_every_column_is_found_by_the_name_that_its_field_has_in_json() -> None:
    """The name of a column is that of the field."""
    for columns in KNOWN.structs.values():
        for column in columns:
            assert json_name_of(column.name.partition(".")[2]) == column.json_name
