"""Which events a report counts: patterns of events, and the SQL predicate that finds them.

The predicate holds names of our columns and numbered parameters, nothing else; every value and every key of an object
is a parameter. It is written in what Postgres and DuckDB share.

Example:
    >>> values = Parameters()
    >>> path = FieldPath("event_data", ("action",), ValueKind.TEXT)
    >>> pattern_sql(EventPattern("engagement", (Condition(path, Operator.EQUAL, ("like",)),)), values)
    '(event_type = $1::text AND (event_data ->> $2::text) = $3::text)'
    >>> values.list
    ['engagement', 'action', 'like']
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
    """Where an event holds a value: in a column, or under keys of one that holds JSON."""

    column: str
    """A column of analytics_events. Written into the text, so never a caller's word."""
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


@dataclass(frozen=True, slots=True)
class Query:
    """A statement that a report composes, and the values of its parameters."""

    text: str
    parameters: tuple[object, ...]
    groups_by_hash: bool = False
    """Whether Postgres is to sort only what nothing else can do: where it expects few rows, as it does without
    statistics, it would sort all events to group them."""


class Parameters:
    """The values of a statement, in the order of their numbers."""

    def __init__(self, *first: object) -> None:
        """Begin with values whose numbers the text knows already."""
        self.list: list[object] = list(first)
        self._names: dict[tuple[str, object], str] = {}

    def add(self, value: object, sql_type: str) -> str:
        """Take a value in and return what stands for it in the text; the same value keeps its number."""
        key = (sql_type, value)
        if key not in self._names:
            self.list.append(value)
            self._names[key] = f"${len(self.list)}::{sql_type}"
        return self._names[key]


def pattern_sql(pattern: EventPattern, parameters: Parameters) -> str:
    """Write the predicate of a pattern; it is true, or else false or null."""
    terms = [] if pattern.event_type is None else [f"event_type = {parameters.add(pattern.event_type, 'text')}"]
    terms += [_condition_sql(condition, parameters) for condition in pattern.conditions]
    return f"({' AND '.join(terms)})" if terms else "TRUE"


def text_sql(path: FieldPath, parameters: Parameters) -> str:
    """Write the expression of a field's value as text; null where it is missing."""
    if not path.keys:
        return path.column
    return f"({_json_sql(path.column, path.keys[:-1], parameters)} ->> {parameters.add(path.keys[-1], 'text')})"


def _json_sql(column: str, keys: tuple[str, ...], parameters: Parameters) -> str:
    sql = column
    for key in keys:
        sql = f"({sql} -> {parameters.add(key, 'text')})"
    return sql


def _condition_sql(condition: Condition, parameters: Parameters) -> str:
    path, operator = condition.path, condition.operator
    present = f"{text_sql(path, parameters)} IS NOT NULL"
    match operator:
        case Operator.EXISTS:
            return present
        case Operator.UNEQUAL:
            return f"({present} AND NOT {_comparison_sql(path, Operator.EQUAL, condition.values[0], parameters)})"
        case Operator.IN:
            equals = [_comparison_sql(path, Operator.EQUAL, value, parameters) for value in condition.values]
            return f"({' OR '.join(equals)})"
        case _:
            return _comparison_sql(path, operator, condition.values[0], parameters)


def _comparison_sql(path: FieldPath, operator: Operator, value: Value, parameters: Parameters) -> str:
    """Write a comparison with one value, which is not null where the field exists.

    A number is cast only where the JSON holds one: rows of other types must not make the statement fail.
    """
    text, json = text_sql(path, parameters), _json_sql(path.column, path.keys, parameters)
    if path.kind is ValueKind.TEXTS:
        return f"jsonb_exists({json}, {parameters.add(value, 'text')})"
    if isinstance(value, bool):
        flag = parameters.add("true" if value else "false", "text")
        return f"(jsonb_typeof({json}) = 'boolean' AND {text} {operator} {flag})"
    if isinstance(value, Decimal):
        number = parameters.add(value, "numeric")
        return f"(CASE WHEN jsonb_typeof({json}) = 'number' THEN ({json})::numeric {operator} {number} ELSE FALSE END)"
    # Texts compare by code point, whatever the database's collation is.
    collation = "" if operator is Operator.EQUAL else ' COLLATE "C"'
    comparison = f"{text}{collation} {operator} {parameters.add(value, 'text')}"
    if path.kind is ValueKind.FREE:
        return f"(jsonb_typeof({json}) = 'string' AND {comparison})"
    return comparison
