"""Whether an event fits a step, written from docs/reports.md and not from the SQL."""

import operator
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from reports.patterns.predicates import Condition, EventPattern, FieldPath, Operator, Value, ValueKind
from tests.oracle.history import Happening

_ORDERS: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.GREATER: operator.gt,
    Operator.AT_LEAST: operator.ge,
    Operator.LESS: operator.lt,
    Operator.AT_MOST: operator.le,
}


def matches(pattern: EventPattern, event: Happening) -> bool:
    """Tell whether an event is of the type and fulfils every condition."""
    if pattern.event_type not in (None, event.event_type):
        return False
    return all(_holds(condition, event) for condition in pattern.conditions)


def value_at(path: FieldPath, event: Happening) -> Any:
    """Find the value of a field; None where it is missing."""
    value: Any = {
        "event_data": event.data,
        "device": event.device,
        "platform": event.platform,
        "user_id": event.actor_id if event.signed_in else None,
        "session_id": None if event.signed_in else event.actor_id,
        "schema_version": "1.1.0",
        "user_agent": None,
    }[path.column]
    for key in path.keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _holds(condition: Condition, event: Happening) -> bool:
    value = value_at(condition.path, event)
    if value is None:
        return False
    wanted = condition.values
    match condition.operator:
        case Operator.EXISTS:
            return True
        case Operator.EQUAL | Operator.IN:
            return any(_equal(condition.path.kind, value, literal) for literal in wanted)
        case Operator.UNEQUAL:
            return not _equal(condition.path.kind, value, wanted[0])
        case order:
            known, literal = _typed(value), wanted[0]
            return type(known) is type(literal) and _ORDERS[order](known, literal)


def _equal(kind: ValueKind, value: Any, literal: Value) -> bool:
    if kind is ValueKind.TEXTS:
        return literal in value
    known = _typed(value)
    return type(known) is type(literal) and known == literal


def _typed(value: Any) -> Any:
    """Read a JSON number as the decimal that it prints as."""
    return Decimal(str(value)) if isinstance(value, int | float) and not isinstance(value, bool) else value
