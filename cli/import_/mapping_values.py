"""Templates of a mapping file, and the steps that set an event's fields from a row's cells."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from functools import partial
from operator import itemgetter
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from cli.import_.mapping import unknown
from cli.import_.records import RecordError
from events.event_type import Field, Kind
from server.reports.scope import to_timestamp

ROW = "row"
"""`{row}` in a template is the row's number, counted from 1."""
PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
MOST_CACHED_TIMES = 100_000
"""Distinct timestamps that are remembered, about 40 MB: every second of a day, or every day of 270 years."""
MOST_SHOWN = 40
"""Characters of a cell that a message shows."""
NOT_UTF8 = "bytes that are not UTF-8"
"""What a cell holds that cannot be read as text."""

Cells = Sequence[str]
"""The row's cells, and after the last of them the row's number as text."""
Read = Callable[[Cells], str]
"""Reads a field's text from the cells; empty where the field is to stay unset."""
Step = Callable[[Any, Cells], None]
"""Sets one field of a message from the cells.

Raises RecordError where the text is not of the field's kind.
"""


class ValueMistakeError(ValueError):
    """A value of the mapping file is invalid; the message says why, without file and key."""


class Template:
    """A text with columns in braces: "{customer_id}", "order-{row}", "USD"; `{{` and `}}` stand for braces.

    Example:
        >>> Template("o-{id}-{row}").bind(["name", "id"])(["Ann", "7", "1"])
        'o-7-1'
    """

    def __init__(self, text: str) -> None:
        """Parse the template.

        Raises:
            ValueMistakeError: a brace stands alone.
        """
        self.columns: list[str] = []
        pieces, end = [], 0
        for match in PIECE.finditer(text):
            pieces.append(text[end : match.start()])
            end = match.end()
            if match[0] in {"{", "}"}:
                raise ValueMistakeError(f"a lone brace in {text!r}; write {{{{ or }}}} for the character itself")
            if match[1] is None:
                pieces.append(match[0])
            else:
                self.columns.append(match[1].strip())
                pieces.append("{}")
        pieces.append(text[end:])
        self._format = "".join(
            piece if piece in {"{}", "{{", "}}"} else piece.replace("{", "{{").replace("}", "}}") for piece in pieces
        )

    @property
    def constant(self) -> str | None:
        """The text of a template without columns, None for others."""
        return None if self.columns else self._format.format()

    def bind(self, header: Sequence[str]) -> Read:
        """Find the columns in the header. A template whose columns are all empty in a row reads as empty.

        Raises:
            ValueMistakeError: there is no such column, or a column has the name that stands for the row's number.
        """
        if (constant := self.constant) is not None:
            return lambda _cells: constant
        where = [self._find(column, header) for column in self.columns]
        if self._format == "{}":
            return itemgetter(where[0])
        make = self._format.format
        if len(where) == 1:
            only = where[0]
            return lambda cells: make(cells[only]) if cells[only] else ""
        pick = itemgetter(*where)

        def read(cells: Cells) -> str:
            values = pick(cells)
            return make(*values) if any(values) else ""

        return read

    @staticmethod
    def _find(column: str, header: Sequence[str]) -> int:
        if column == ROW:
            if ROW in header:
                raise ValueMistakeError("{row} is the row's number, but the file has a column of that name: rename it")
            return len(header)
        if column not in header:
            raise ValueMistakeError(unknown("column", column, header))
        return header.index(column)


class TimeParser:
    """Reads times, each distinct string once.

    A time without offset is one of the mapping's time zone, a date is its midnight there.
    """

    def __init__(self, zone: tzinfo, time_format: str | None) -> None:
        """Take the zone, and the strptime format; ISO 8601 where it is None."""
        self._zone = zone
        self._parse = partial(_strptime, time_format) if time_format else _iso_time
        self._cache: dict[str, tuple[datetime, Timestamp]] = {}

    def __call__(self, text: str) -> tuple[datetime, Timestamp]:
        """Read a time, as UTC and as the message, which the caller copies.

        Raises:
            ValueError: it is not of the expected form, or out of range.
        """
        known = self._cache.get(text)
        if known is None:
            try:
                parsed = self._parse(text.strip())
                moment = (parsed if parsed.tzinfo else parsed.replace(tzinfo=self._zone)).astimezone(UTC)
            except OverflowError as exc:
                raise ValueError("out of range") from exc
            if len(self._cache) >= MOST_CACHED_TIMES:
                self._cache.clear()
            known = self._cache[text] = (moment, to_timestamp(moment))
        return known


def step_of(field: Field, read: Read) -> Step:
    """Make the step that sets a plain field, or adds to a list of strings, from a row.

    Args:
        field: the field; not an object.
        read: reads its text.
    """
    name, convert = field.name, CONVERTERS.get(field.kind, str)

    def assign(message: Any, cells: Cells) -> None:
        if text := read(cells):
            try:
                setattr(message, name, convert(text))
            except ValueError as exc:
                raise refusal(name, text, exc) from exc

    def append(message: Any, cells: Cells) -> None:
        if text := read(cells):
            try:
                getattr(message, name).append(text)
            except ValueError as exc:
                raise refusal(name, text, exc) from exc

    return append if field.kind is Kind.TEXTS else assign


def _strptime(time_format: str, text: str) -> datetime:
    return datetime.strptime(text, time_format)  # noqa: DTZ007 - the caller gives it the mapping's zone


def _iso_time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("not an ISO 8601 date or time, such as 2024-01-31 or 2024-01-31T12:00:00Z") from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("not a number, as in 1234.5") from None


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        number = _number(text)
    if not number.is_integer():
        raise ValueError("not a whole number")
    return int(number)


def _truth_value(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered in {"true", "yes", "1"}:
        return True
    if lowered in {"false", "no", "0"}:
        return False
    raise ValueError("must be true, yes, 1, false, no or 0")


def refusal(name: str, text: str, exc: ValueError) -> RecordError:
    """Describe a string that a field cannot store."""
    why = f"it holds {NOT_UTF8}" if isinstance(exc, UnicodeError) else exc
    return RecordError(f"{text[:MOST_SHOWN]!r} cannot be used: {why}", name)


CONVERTERS: Mapping[Kind, Callable[[str], Any]] = {
    Kind.TEXT: str,
    Kind.NUMBER: _number,
    Kind.INTEGER: _whole_number,
    Kind.FLAG: _truth_value,
}
"""What turns a string into a value of a field's kind; each raises ValueError where it cannot."""
