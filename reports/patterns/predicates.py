"""Which events a report counts: patterns of events. `reports.patterns.matching` finds them in tables.

Example:
    >>> path = FieldPath("event_data", ("action",), ValueKind.TEXT)
    >>> likes = EventPattern("engagement", (Condition(path, Operator.EQUAL, ("like",)),))
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

Value = str | Decimal | bool
"""What a field is compared with; its type decides how."""


class ValueKind(StrEnum):
    """What a field holds."""

    TEXT = "text"
    NUMBER = "number"
    FLAG = "flag"
    TEXTS = "texts"
    """A list of texts; it is compared with each of them."""
    FREE = "free"
    """Any JSON value: only a value of the literal's own type compares."""


class Operator(StrEnum):
    """How a field is compared; the value is how callers write it."""

    EQUAL = "="
    UNEQUAL = "!="
    GREATER = ">"
    AT_LEAST = ">="
    LESS = "<"
    AT_MOST = "<="
    IN = "in"
    EXISTS = "exists"


@dataclass(frozen=True, slots=True)
class FieldPath:
    """Where an event holds a value.

    Attributes:
        column: "event_data", "device", or a text of the envelope such as "platform".
        keys: the names in JSON that lead to the value; none in the envelope.
        kind: what the value is.
    """

    column: str
    keys: tuple[str, ...]
    kind: ValueKind


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison. A field that is missing (or null) fulfils none, UNEQUAL included."""

    path: FieldPath
    operator: Operator
    values: tuple[Value, ...] = ()
    """One value; for IN one or more, for EXISTS none."""


@dataclass(frozen=True, slots=True)
class EventPattern:
    """Events of a type (None: of any) that fulfil every condition."""

    event_type: str | None = None
    conditions: tuple[Condition, ...] = ()
