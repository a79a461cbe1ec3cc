"""Reads the timestamps of JSON events: RFC 3339 text, to the microsecond."""

from datetime import UTC, datetime

LATEST_S = 253_402_300_799
"""The last second of the year 9999, where protobuf's and Python's calendars end."""
NANOS_PER_S = 1_000_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US_PER_DAY = 86_400_000_000
_SHAPE_OF_BYTES = bytes(ord("0") if chr(byte) in "0123456789" else byte for byte in range(256))
_FRACTIONS = ("", *("." + "0" * digits for digits in range(1, 10)))
_SHAPES = frozenset(
    f"0000-00-00T00:00:00{fraction}{zone}".encode() for fraction in _FRACTIONS for zone in ("Z", "+00:00", "-00:00")
)
_LONGEST = max(map(len, _SHAPES))


def write_rfc3339(moment: datetime) -> str:
    """Write an aware time as `read_rfc3339` reads it, in UTC and to the microsecond."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def read_rfc3339(text: str) -> int | None:
    """Read a time such as "2024-01-01T12:00:00.123456Z" or "2024-01-01T14:00:00+02:00".

    Returns:
        Microseconds since 1970, negative before; digits beyond them are cut off. None where the text is no such time.
    """
    if len(text) > _LONGEST or text.encode().translate(_SHAPE_OF_BYTES) not in _SHAPES:
        return None
    if text[-3] == ":" and text[-2] > "5":  # Python takes an offset of 60 minutes
        return None
    try:
        moment = datetime.fromisoformat(text) - _EPOCH
    except ValueError:  # a 30th of February, or an hour 24
        return None
    return moment.days * _US_PER_DAY + moment.seconds * 1_000_000 + moment.microseconds
