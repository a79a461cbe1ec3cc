"""Deprecated versions: taken with a warning until their sunset, and refused from that day on."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType

import pytest

from events.event_type import Catalogue
from events.normalize import Normalizer, Rejected, Row
from events.rules.validation import Validator
from tests.unit.event_samples import CATALOGUE, EVENT_ID, MINIMAL, typed

DEPRECATED = date(2024, 6, 1)
SUNSET = date(2024, 8, 30)
"""90 days later."""
WARNING = (
    "schema_version 1.0.0 of view events was deprecated on 2024-06-01 and will be refused from 2024-08-30 on: "
    "send 1.1.0"
)


def deprecating(event_type: str) -> Catalogue:
    """Make a catalogue in which version 1.0.0 of a type is deprecated."""
    known = CATALOGUE.types[event_type]
    oldest, *newer = known.versions
    changed = replace(known, versions=(replace(oldest, deprecated=DEPRECATED), *newer))
    return replace(CATALOGUE, types=MappingProxyType({**CATALOGUE.types, event_type: changed}))


def normalizer(sunset_days: int = 90) -> Normalizer:
    """Make a normalizer for which views of version 1.0.0 are deprecated."""
    return Normalizer(
        ip_hash_key=b"a key for tests!",
        retention_raw_days=90,
        schema_sunset_days=sunset_days,
        validator=Validator(deprecating("view")),
    )


def prepare(
    version: str, received_at: datetime, *, sunset_days: int = 90, name: str = "view", backfill: bool = False
) -> Row | Rejected:
    """Prepare a sample of a version."""
    event = typed(name, MINIMAL[name], eventId=EVENT_ID, schemaVersion=version)
    event.timestamp.FromDatetime(received_at)
    return normalizer(sunset_days).prepare(event, received_at, backfill=backfill)


def test_a_sunset_is_reckoned_in_days() -> None:
    """A current version has none, nor has any version where none is wished."""
    oldest, newest = deprecating("view").types["view"].versions
    assert oldest.sunset(90) == SUNSET
    assert oldest.sunset(0) is None
    assert newest.sunset(90) is None


@pytest.mark.parametrize(
    ("received_at", "is_taken"),
    [
        (datetime(2024, 8, 29, 23, 59, 59, 999_999, tzinfo=UTC), True),
        (datetime(2024, 8, 30, tzinfo=UTC), False),
        (datetime(2024, 8, 30, 1, 59, tzinfo=UTC).astimezone(tz=None), False),
    ],
)
def test_the_sunset_is_the_first_utc_day_of_refusal(received_at: datetime, *, is_taken: bool) -> None:
    """To the microsecond, and the refusal names the version to move to."""
    prepared = prepare("1.0.0", received_at)
    assert isinstance(prepared, Rejected) is not is_taken
    if isinstance(prepared, Rejected):
        assert (prepared.event_id, prepared.reason) == (EVENT_ID, "SUNSET_VERSION")
        (violation,) = prepared.violations
        assert violation == (
            "schema_version",
            "SUNSET_VERSION",
            "is '1.0.0', which has been refused for view events since 2024-08-30; send 1.1.0",
        )


def test_one_normalizer_sees_the_day_come() -> None:
    """It is decided by each message's time of receipt."""
    seen = normalizer()
    event = typed("view", MINIMAL["view"], schemaVersion="1.0.0")
    before = datetime(2024, 8, 29, 23, tzinfo=UTC)
    assert not isinstance(seen.prepare(event, before), Rejected)
    assert isinstance(seen.prepare(event, before + timedelta(hours=1)), Rejected)
    assert not isinstance(seen.prepare(event, before), Rejected)


@pytest.mark.parametrize("case", ["newest", "unnamed", "other type", "no sunset", "backfill"])
def test_what_is_not_deprecated_is_taken_after_it(case: str) -> None:
    """Also an import of old events, which were valid when they were made."""
    late = datetime(2025, 1, 1, tzinfo=UTC)
    prepared = {
        "newest": lambda: prepare("1.1.0", late),
        "unnamed": lambda: prepare("", late),
        "other type": lambda: prepare("1.0.0", late, name="session"),
        "no sunset": lambda: prepare("1.0.0", late, sunset_days=0),
        "backfill": lambda: prepare("1.0.0", late, backfill=True),
    }[case]()
    assert not isinstance(prepared, Rejected)


def test_senders_are_warned_until_then_and_the_events_are_counted() -> None:
    """Beside the warnings about times; an import is not warned, since it cannot help it."""
    early = datetime(2024, 6, 2, tzinfo=UTC)
    old, new = prepare("1.0.0", early), prepare("1.1.0", early)
    assert not isinstance(old, Rejected)
    assert not isinstance(new, Rejected)
    assert normalizer().warnings_of(old) == [WARNING]
    assert normalizer().warnings_of(new) == []
    untimed = normalizer().prepare(typed("view", MINIMAL["view"]), early)
    assert not isinstance(untimed, Rejected)
    missing = "timestamp is missing: the time of receipt was used"
    rows = [old, new, old, untimed]
    assert normalizer().count_warnings(rows) == {WARNING: 2, missing: 1}
    assert normalizer().count_warnings(rows, backfill=True) == {missing: 1}


def test_a_version_that_is_taken_for_ever_tells_no_day() -> None:
    """The warning stays."""
    early = datetime(2024, 6, 2, tzinfo=UTC)
    row = prepare("1.0.0", early, sunset_days=0)
    assert not isinstance(row, Rejected)
    assert normalizer(0).warnings_of(row) == [
        "schema_version 1.0.0 of view events was deprecated on 2024-06-01: send 1.1.0"
    ]
