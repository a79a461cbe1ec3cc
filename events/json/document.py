"""Reads the JSON bodies of REST calls: one event, or `{"events": [...], "backfill": false}`.

One malformed event among a thousand must not cost the other 999. If a document does not parse as a whole, it is
therefore split into its events, and each event is validated on its own. If a key is repeated, the last value counts, as
in most parsers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import orjson

from events import violations
from events.json.fault import ROOT, find_fault
from events.json.scanner import ScanError, Span, split_list, value_end, walk_members
from events.rules.field_rules import kind_of
from events.violations import Violation, nearest, quoted
from runtime.errors import AnalyticsError

EVENTS, BACKFILL = "events", "backfill"
_MEMBERS = (EVENTS, BACKFILL)
_FLAGS = {b"true": True, b"false": False, b"null": False}


class DocumentError(AnalyticsError):
    """A body is refused as a whole: it is not a list of events."""

    reason: ClassVar[str] = "INVALID_REQUEST"

    def __init__(self, path: str, rule: str, problem: str) -> None:
        """Name the invalid member, the rule that it breaks, and what to do; the body itself is "body"."""
        super().__init__(f"{path} {problem}")
        self.violation = Violation(path, rule, problem)


class TooManyInDocumentError(DocumentError):
    """A body has more events than one request may have."""

    reason: ClassVar[str] = "TOO_MANY_EVENTS"


@dataclass(frozen=True, slots=True)
class Broken:
    """The placeholder of an event that is not a JSON object."""

    violation: Violation


JsonValue = dict[str, Any] | Broken
"""A parsed event, or the reason why it could not be parsed."""


@dataclass(slots=True)
class EventsDocument:
    """The events of a body, each with the bytes that it was sent as."""

    body: bytes
    values: Sequence[JsonValue]
    """In the order of the body; `null` and other values that are not objects become `Broken` in their place."""
    backfill: bool
    _spans: Sequence[Span] | None = field(default=None, repr=False)

    def raw(self, index: int) -> bytes:
        """Return the bytes of an event as its caller sent them; the first call scans the whole body."""
        if self._spans is None:
            self._spans = _split(self.body, len(self.body)).spans
        start, end = self._spans[index]
        return self.body[start:end]


def read_event(body: bytes) -> JsonValue:
    """Read a body that is one event."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return Broken(find_fault(body))
    return value if value.__class__ is dict else _no_object(value)


def read_events(body: bytes, *, most: int) -> EventsDocument:
    """Read a body that holds events.

    If the list of events is cut off, its remainder becomes the last event, a `Broken` one, and any string after it is
    ignored.

    Args:
        body: as it was sent.
        most: events that it may hold.

    Raises:
        TooManyInDocumentError: it holds more.
        DocumentError: it is not an object with a list of events, or has unknown members.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        parts = _split(body, most)
        values = [read_event(body[start:end]) for start, end in parts.spans]
        return EventsDocument(body, values, parts.backfill, parts.spans)
    if document.__class__ is not dict:
        raise DocumentError("body", violations.TYPE, f'is {kind_of(document)}; send {{"events": [...]}}')
    for name in document:
        _check_name(name)
    events, backfill = document.get(EVENTS), document.get(BACKFILL)
    if events.__class__ is not list:
        raise _no_list(is_missing=events is None)
    if len(events) > most:
        raise _too_many(most)
    if not isinstance(backfill, bool | None):
        raise _no_flag()
    values = [event if event.__class__ is dict else _no_object(event) for event in events]
    return EventsDocument(body, values, backfill=bool(backfill))


class _Parts(NamedTuple):
    """Where the events of a body are."""

    spans: Sequence[Span]
    backfill: bool


def _split(body: bytes, most: int) -> _Parts:
    """Find the events of a body without validating them.

    Raises:
        DocumentError: as for `read_events`.
    """
    spans: Sequence[Span] | None = None
    is_missing, backfill = True, False

    def find_end(name: str, text: bytes, start: int) -> int | None:
        nonlocal spans
        if name != EVENTS:
            return value_end(name, text, start)
        spans = None
        if text[start : start + 1] != b"[":
            return value_end(name, text, start)
        spans, end = split_list(text, start + 1, most + 1)
        if len(spans) > most:
            raise _too_many(most)
        return end

    try:
        for member in walk_members(body, find_end):
            _check_name(member.name)
            if member.name == BACKFILL:
                text = body[member.start : member.end]
                if text not in _FLAGS:
                    raise _no_flag()
                backfill = _FLAGS[text]
            else:
                is_missing = body[member.start : member.end] == b"null"
    except ScanError as exc:
        raise DocumentError("body", violations.JSON, f"is not valid JSON: {exc}") from None
    if spans is None:
        raise _no_list(is_missing=is_missing)
    return _Parts(spans, backfill)


def _check_name(name: str) -> None:
    if name not in _MEMBERS:
        near = nearest(name, _MEMBERS)
        hint = f"did you mean {near}?" if near else "the fields are events and backfill"
        raise DocumentError(quoted(name)[1:-1], violations.UNKNOWN_FIELD, f"is not a field of the request; {hint}")


def _no_object(value: Any) -> Broken:
    return Broken(Violation(ROOT, violations.TYPE, f"is {kind_of(value)}; expected an object"))


def _no_list(*, is_missing: bool) -> DocumentError:
    if is_missing:
        return DocumentError(EVENTS, violations.REQUIRED, 'is missing; send {"events": [...]}')
    return DocumentError(EVENTS, violations.TYPE, "is not a list; send a list even for a single event")


def _no_flag() -> DocumentError:
    return DocumentError(BACKFILL, violations.TYPE, "must be true or false")


def _too_many(most: int) -> TooManyInDocumentError:
    return TooManyInDocumentError(EVENTS, violations.MAX_ITEMS, f"holds more than {most:,} events; split the request")
