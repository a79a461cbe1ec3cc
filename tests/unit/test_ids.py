"""Event ids have the layout of RFC 9562's version 7, and sort by time."""

from datetime import UTC, datetime
from uuid import RFC_4122, UUID

from events.ids import UuidSource, deterministic_id, uuid7


def test_an_id_is_a_version_7_uuid_of_its_time() -> None:
    """48 bits of milliseconds, then the fraction, then chance."""
    identifier = UUID(UuidSource(clock_ns=lambda: 1_773_144_000_123_500_000)())
    assert (identifier.version, identifier.variant) == (7, RFC_4122)
    assert identifier.int >> 80 == 1_773_144_000_123
    assert identifier.int >> 64 & 0xFFF == 2048
    assert str(UUID(uuid7())) != str(UUID(uuid7()))


def test_ids_of_a_source_increase_even_when_its_clock_stands_still_or_turns_back() -> None:
    """The clock is run ahead instead."""
    clock = iter([5_000_000, 5_000_000, 5_000_000, 1_000_000, 6_000_000])
    source = UuidSource(clock_ns=lambda: next(clock))
    identifiers = [source() for _ in range(5)]
    assert identifiers == sorted(set(identifiers))


def test_the_id_of_a_record_is_the_same_for_ever() -> None:
    """An import that is repeated with a newer program stores nothing twice."""
    moment = datetime(1997, 1, 12, tzinfo=UTC)
    assert deterministic_id("cdnow", 7, b"record", moment) == "00c69c62-1c00-7239-868f-aa7559014e20"
    assert deterministic_id("cdnow", 8, b"record", moment) != deterministic_id("cdnow", 7, b"record", moment)
