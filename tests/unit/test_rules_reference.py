"""The fast path from an event to its row agrees with a plain reading of the catalogue, event by event."""

from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from events.normalize import COLUMNS, Normalizer, Rejected
from sociallive.analytics.v1.event_pb2 import Event
from tests.unit.event_samples import CATALOGUE, NOW, VALIDATOR
from tests.unit.random_events import EventMaker
from tests.unit.reference_rules import Reference, Refusal

RETENTION_RAW_DAYS = 90
EVENTS_PER_SEED = 30
"""Of hypothesis come seeds, not single choices: that is many more events a second, and a seed repeats them."""
REFERENCE = Reference(CATALOGUE, retention_raw_days=RETENTION_RAW_DAYS)
NORMALIZER = Normalizer(
    ip_hash_key=b"a key for tests!", retention_raw_days=RETENTION_RAW_DAYS, new_id=str, validator=VALIDATOR
)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(min_value=0), backfill=st.booleans())
def test_an_event_becomes_the_row_or_breaks_the_rules_that_the_reference_says(seed: int, *, backfill: bool) -> None:
    """The same values in the same order, or the same rules broken in the same places; the event stays as it was."""
    random = Random(seed)  # noqa: S311 - it makes test data
    for _ in range(EVENTS_PER_SEED):
        event = EventMaker(random, CATALOGUE, NOW).make()
        before = event.SerializeToString(deterministic=True)
        assert prepare(event, backfill=backfill) == REFERENCE.prepare(event, NOW, backfill=backfill), event
        assert event.SerializeToString(deterministic=True) == before


def test_the_random_events_are_of_all_sorts() -> None:
    """Every type in every version comes through, and every rule is broken that an event can break."""
    random = Random(1)  # noqa: S311 - it makes test data
    stored, broken = set(), set()
    for _ in range(5_000):
        prepared = prepare(EventMaker(random, CATALOGUE, NOW).make(), backfill=False)
        if isinstance(prepared, Refusal):
            broken |= {rule for _, _, rule in prepared.broken}
        else:
            stored.add((prepared["event_type"], prepared["schema_version"]))
    assert stored == {(name, released.version) for name, each in CATALOGUE.types.items() for released in each.versions}
    assert broken == {
        "ALLOWED_VALUES", "CURRENCY", "DUPLICATE_FIELD", "EVENT_TYPE_MISMATCH", "FINITE", "IP_ADDRESS", "MAX_DEPTH",
        "MAX_ITEMS", "MAX_LENGTH", "MAXIMUM", "MINIMUM", "NO_PAYLOAD", "NUL", "PAYLOAD_AND_DATA", "REQUIRED", "SINCE",
        "TIMESTAMP", "TOO_OLD", "TYPE", "UNKNOWN_EVENT_TYPE", "UNKNOWN_FIELD", "UNKNOWN_VERSION", "UUID", "VERSION",
    }  # fmt: skip


def prepare(event: Event, *, backfill: bool) -> dict[str, Any] | Refusal:
    """Prepare an event by the fast path, in the reference's words."""
    prepared = NORMALIZER.prepare(event, NOW, backfill=backfill)
    if isinstance(prepared, Rejected):
        return Refusal(prepared.reason, [violation[:3] for violation in prepared.violations])
    row: dict[str, Any] = dict(zip(COLUMNS, prepared, strict=True))
    del row["ip_address"]
    return row
