"""Normalisation: turns a valid event into the row that is stored, and an invalid one into its rejection."""

import hmac
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from operator import itemgetter
from typing import Any

from events import violations
from events.event_type import Form
from events.ids import uuid7
from events.json.document import Broken, JsonValue
from events.json.payload import to_json
from events.lifecycle import Lifecycle, Release
from events.rules.field_rules import ADDRESS_CACHE_SIZE, is_uuid, packed_address
from events.rules.rule_book import Reading
from events.rules.validation import Validator
from events.violations import Problem, Violation
from sociallive.analytics.v1.event_pb2 import Event

COLUMNS = (
    "event_id",
    "event_type",
    "schema_version",
    "timestamp",
    "received_at",
    "timestamp_source",
    "sequence",
    "actor_id",
    "user_id",
    "session_id",
    "platform",
    "user_agent",
    "ip_address",
    "device",
    "event_data",
)
"""The names of a Row's values, in order: columns of analytics_events."""

Row = tuple[
    str,
    str,
    str,
    datetime,
    datetime,
    str | None,
    int,
    str,
    str | None,
    str | None,
    str | None,
    str | None,
    str | None,
    str | None,
    str,
]
"""An event as it is stored: the values of `COLUMNS`. Times are aware UTC, device and event_data are JSON text."""

CORRECTED = "corrected"
MISSING = "missing"
FUTURE = "future"

INVALID_EVENT = "INVALID_EVENT"
EVENT_TOO_OLD = "EVENT_TOO_OLD"
SUNSET_VERSION = "SUNSET_VERSION"

SKEW_TOLERANCE_US = 150 * 1_000_000
"""Smaller differences between the clocks are not corrected: delivery takes time too, and most clocks are more exact."""
FUTURE_TOLERANCE_US = 300 * 1_000_000
"""A timestamp may be this far ahead: events of slightly fast clocks should keep their times."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_US_PER_DAY = 86_400 * 1_000_000

_WARNINGS = {
    CORRECTED: "timestamp was corrected by the difference between sent_at and the time of receipt: "
    "the client's clock is wrong",
    MISSING: "timestamp is missing: the time of receipt was used",
    FUTURE: "timestamp is more than 5 minutes in the future: the time of receipt was used",
}
_AGED = (
    "timestamp is more than {days} days old: the next retention run keeps only their sums and deletes the events; "
    "to keep them, first set ANALYTICS_RETENTION_RAW_DAYS above {days}, or to 0 to keep all events"
)


_SOURCE_OF = itemgetter(COLUMNS.index("timestamp_source"))
_TIMES_OF = itemgetter(COLUMNS.index("timestamp"), COLUMNS.index("received_at"))
_RELEASE_OF = itemgetter(COLUMNS.index("event_type"), COLUMNS.index("schema_version"))
_Window = tuple[datetime, datetime, int, int, int, dict[Release, Problem]]
"""A time of receipt as given, in UTC and in microseconds, and what follows from it: the oldest and newest accepted
timestamp, in microseconds, and the versions that are refused."""


@dataclass(slots=True)  # frozen ones take three times as long to make, and bad events come in floods
class Rejected:
    """An event that is refused for its content; sending it again unchanged fails again."""

    event_id: str
    """In lower case; empty if the event had no valid UUID."""
    reason: str
    """INVALID_EVENT, EVENT_TOO_OLD or SUNSET_VERSION."""
    violations: tuple[Violation, ...]
    """Everything that is wrong with it; never empty."""


class Normalizer:
    """Prepares events for storage: validates them and puts them into rows.

    Its results depend only on its arguments, except for the ids that it assigns to events without one.
    """

    def __init__(
        self,
        *,
        ip_hash_key: bytes,
        retention_raw_days: int,
        schema_sunset_days: int = 0,
        new_id: Callable[[], str] = uuid7,
        validator: Validator | None = None,
    ) -> None:
        """Make a normalizer.

        Args:
            ip_hash_key: key of the hash that stands for client addresses; the same on every server of a database.
            retention_raw_days: older events are rejected unless they are backfilled; 0 accepts any age.
            schema_sunset_days: how long events of a deprecated schema version are accepted, unless they are
                backfilled; 0: without limit.
            new_id: makes the id of an event without one.
            validator: the rules; those of the service's own .proto files where missing.
        """
        validator = validator or Validator()
        self._read = validator.read
        self._read_json = validator.read_json
        self._version_names = {form: validator.catalogue.envelope["schema_version"].name_in(form) for form in Form}
        self._lifecycle = Lifecycle(validator.catalogue, sunset_days=schema_sunset_days)
        self._new_id = new_id
        self._retention_raw_days = retention_raw_days
        self._aged = _AGED.format(days=retention_raw_days)
        self._hash_address = lru_cache(maxsize=ADDRESS_CACHE_SIZE)(_address_hasher(ip_hash_key))
        self._window = self._make_window(_EPOCH)

    def prepare(self, event: Event, received_at: datetime, *, backfill: bool = False) -> Row | Rejected:
        """Validate a message and return its row, or its rejection. The message is not changed.

        Args:
            event: as it was sent.
            received_at: aware; pass one object for all events of a message, which is also faster.
            backfill: whether it comes from an import: then any age and any known version are accepted, and `sent_at`,
                which belongs to an earlier transfer, corrects nothing.
        """
        reading = self._read(event)
        if not isinstance(reading, tuple):  # it is a list; asking for the common type is the quicker question
            return Rejected(_known_id(event.event_id), INVALID_EVENT, tuple(reading))
        return self._make_row(reading, received_at, "", Form.MESSAGE, backfill=backfill)

    def prepare_json(
        self,
        value: JsonValue,
        received_at: datetime,
        *,
        backfill: bool = False,
        event_type: str = "",
        address: str = "",
    ) -> Row | Rejected:
        """Validate an event that was sent as JSON and return its row, or its rejection. The value is not changed.

        The same event gives the same row in either form.

        Args:
            value: what `events.json.document` read.
            received_at: likewise.
            backfill: likewise.
            event_type: the type if the path names it; then the event may leave it out.
            address: the client's, used if the event has none; an invalid address is ignored.
        """
        if isinstance(value, Broken):
            return Rejected("", INVALID_EVENT, (value.violation,))
        reading = self._read_json(value, event_type)
        if not isinstance(reading, tuple):
            return Rejected(_id_of_json(value), INVALID_EVENT, tuple(reading))
        return self._make_row(reading, received_at, address, Form.JSON, backfill=backfill)

    def _make_row(
        self, reading: Reading, received_at: datetime, client_address: str, form: Form, *, backfill: bool
    ) -> Row | Rejected:
        """Make the row of a reading, or its rejection for its age or its version."""
        (
            event_type,
            version,
            event_id,
            user_id,
            session_id,
            platform,
            user_agent,
            address,
            sequence,
            timestamp_us,
            sent_at_us,
            device,
            data,
        ) = reading
        known_at, received_utc, received_us, oldest_us, newest_us, refused = self._window
        if known_at is not received_at:
            self._window = self._make_window(received_at)
            _, received_utc, received_us, oldest_us, newest_us, refused = self._window
        if refused and not backfill and (event_type, version) in refused:
            violation = Violation(self._version_names[form], *refused[event_type, version])
            return Rejected(event_id.lower(), SUNSET_VERSION, (violation,))
        source = None
        if timestamp_us is None:
            timestamp, source = received_at, MISSING
        else:
            if sent_at_us is not None and not backfill and abs(received_us - sent_at_us) > SKEW_TOLERANCE_US:
                timestamp_us += received_us - sent_at_us
                source = CORRECTED
            if timestamp_us > newest_us:
                timestamp, source = received_at, FUTURE
            elif timestamp_us >= oldest_us or (backfill and timestamp_us >= 0):
                timestamp = received_utc + (timestamp_us - received_us) * _MICROSECOND
            else:
                return Rejected(event_id.lower(), *self._judge_age(timestamp_us, received_us, backfill=backfill))
        event_id = event_id.lower() or self._new_id()
        if client_address and not address and packed_address(client_address):
            address = client_address
        return (
            event_id,
            event_type,
            version,
            timestamp,
            received_at,
            source,
            sequence,
            user_id or session_id or event_id,
            user_id or None,
            session_id or None,
            platform or None,
            user_agent or None,
            self._hash_address(address) if address else None,
            to_json(device) if device else None,
            to_json(data),
        )

    def warnings_of(self, row: Row) -> list[str]:
        """List what the caller should correct although the event was accepted."""
        return list(self.count_warnings((row,)))

    def count_warnings(self, rows: Iterable[Row], *, backfill: bool = False) -> Mapping[str, int]:
        """Count, by warning, the accepted events that the caller should correct.

        Args:
            rows: of one message.
            backfill: whether they come from an import, which may bring deprecated versions, and events that are too
                old to stay.
        """
        warnings = {_WARNINGS[source]: count for source, count in Counter(map(_SOURCE_OF, rows)).items() if source}
        deprecated = self._lifecycle.warnings
        if deprecated and not backfill:
            releases = Counter(map(_RELEASE_OF, rows))
            warnings |= {deprecated[release]: count for release, count in releases.items() if release in deprecated}
        # Without backfill the older ones have been refused.
        if self._retention_raw_days and backfill:
            longest = timedelta(days=self._retention_raw_days)
            if aged := sum(received_at - timestamp > longest for timestamp, received_at in map(_TIMES_OF, rows)):
                warnings[self._aged] = aged
        return warnings

    def _make_window(self, received_at: datetime) -> _Window:
        received_us = (received_at - _EPOCH) // _MICROSECOND
        days = self._retention_raw_days
        oldest_us = max(received_us - days * _US_PER_DAY, 0) if days else 0
        received_utc = received_at.astimezone(UTC)
        refused = self._lifecycle.refused_on(received_utc.date())
        return received_at, received_utc, received_us, oldest_us, received_us + FUTURE_TOLERANCE_US, refused

    def _judge_age(self, timestamp_us: int, received_us: int, *, backfill: bool) -> tuple[str, tuple[Violation, ...]]:
        """Return the reason and violation of a timestamp that is too old."""
        days = self._retention_raw_days
        if days and not backfill and timestamp_us < received_us - days * _US_PER_DAY:
            problem = (
                f"is {(received_us - timestamp_us) // _US_PER_DAY} days old, older than the {days} days that events "
                "are kept; send old data with `analytics import`, or set backfill"
            )
            return EVENT_TOO_OLD, (Violation("timestamp", violations.TOO_OLD, problem),)
        # It lies before 1970, and only a correction leads there.
        problem = "is before 1970 after the correction by sent_at; fix the client's clock"
        return INVALID_EVENT, (Violation("timestamp", violations.TIMESTAMP, problem),)


def _id_of_json(value: Mapping[str, Any]) -> str:
    """Return the id of an event that was sent as JSON, in lower case; empty if it has no valid UUID."""
    event_id = value.get("eventId") or value.get("event_id")
    return _known_id(event_id) if isinstance(event_id, str) else ""


def _known_id(event_id: str) -> str:
    return event_id.lower() if is_uuid(event_id) else ""


def _address_hasher(key: bytes) -> Callable[[str], str]:
    """Make the function that hashes an address, however it is written, with HMAC-SHA-256 into hexadecimal digits."""

    def hash_address(text: str) -> str:
        packed = packed_address(text)
        assert packed is not None, "the rules let no other address through"  # noqa: S101 - what must hold here
        return hmac.digest(key, packed, "sha256").hex()

    return hash_address
