"""The fast path from an event to its row agrees with a plain reading of the catalogue, event by event."""

from collections import Counter
from contextlib import suppress
from random import Random
from typing import Any

import orjson
import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from events.json.message import message_value
from events.normalize import COLUMNS, Normalizer, Rejected, Row
from events.violations import MAX_VIOLATIONS, TOO_MANY_VIOLATIONS
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


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(min_value=0), backfill=st.booleans())
def test_a_message_becomes_the_row_or_breaks_the_rules_that_the_reference_says(seed: int, *, backfill: bool) -> None:
    """The same values in the same order, or the same rules broken in the same places; the event stays as it was."""
    random = Random(seed)  # noqa: S311 - it makes test data
    for _ in range(EVENTS_PER_SEED):
        event = EventMaker(random, CATALOGUE, NOW).make()
        before = event.SerializeToString(deterministic=True)
        agree(NORMALIZER.prepare(event, NOW, backfill=backfill), REFERENCE.prepare(event, NOW, backfill=backfill))
        assert event.SerializeToString(deterministic=True) == before


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(min_value=0), backfill=st.booleans())
def test_json_becomes_the_row_or_breaks_the_rules_that_the_reference_says(seed: int, *, backfill: bool) -> None:
    """The same for JSON, under a path that names the type or none."""
    random = Random(seed)  # noqa: S311 - it makes test data
    for _ in range(EVENTS_PER_SEED):
        value = EventMaker(random, CATALOGUE, NOW).make_json()
        event_type = random.choice(["", "", "view", value.get("eventType"), "vieew"])
        event_type = event_type if isinstance(event_type, str) else ""
        before = repr(value)
        prepared = NORMALIZER.prepare_json(value, NOW, backfill=backfill, event_type=event_type)
        agree(prepared, REFERENCE.prepare_json(value, NOW, backfill=backfill, event_type=event_type))
        assert repr(value) == before


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(min_value=0), backfill=st.booleans())
def test_the_same_event_makes_the_same_row_in_both_forms(seed: int, *, backfill: bool) -> None:
    """As protobuf's own printer writes it, and as the service writes it for a replay: a repeat is a duplicate."""
    random = Random(seed)  # noqa: S311 - it makes test data
    for _ in range(EVENTS_PER_SEED):
        event = EventMaker(random, CATALOGUE, NOW).make()
        expected = NORMALIZER.prepare(event, NOW, backfill=backfill)
        forms = [message_value(event)]
        with suppress(ValueError, json_format.SerializeToJsonError):  # what is no number or time has no such form
            forms.append(orjson.loads(json_format.MessageToJson(event)))
        for value in forms:
            found = NORMALIZER.prepare_json(value, NOW, backfill=backfill)
            if isinstance(expected, Rejected):
                assert isinstance(found, Rejected), value
                assert (found.event_id, found.reason) == (expected.event_id, expected.reason)
            else:
                assert found == expected


@pytest.mark.thorough
@pytest.mark.parametrize("make", ["make", "make_json"])
def test_the_random_events_are_of_all_sorts(make: str) -> None:
    """Every type in every version comes through, and every rule is broken that an event can break."""
    random = Random(1)  # noqa: S311 - it makes test data
    prepare: Any = NORMALIZER.prepare if make == "make" else NORMALIZER.prepare_json
    stored, broken = set(), set()
    for _ in range(5_000):
        prepared = prepare(getattr(EventMaker(random, CATALOGUE, NOW), make)(), NOW)
        if isinstance(prepared, Rejected):
            broken |= {violation.rule for violation in prepared.violations}
        else:
            stored.add(prepared[1:3])
    assert stored == {(name, released.version) for name, each in CATALOGUE.types.items() for released in each.versions}
    assert broken - {TOO_MANY_VIOLATIONS} == {
        "ALLOWED_VALUES", "CURRENCY", "DUPLICATE_FIELD", "EVENT_TYPE_MISMATCH", "FINITE", "IP_ADDRESS", "MAX_DEPTH",
        "MAX_ITEMS", "MAX_LENGTH", "MAXIMUM", "MINIMUM", "NO_PAYLOAD", "NUL", "NUMBER_RANGE", "PAYLOAD_AND_DATA",
        "REQUIRED", "SINCE", "TIMESTAMP", "TOO_OLD", "TYPE", "UNKNOWN_EVENT_TYPE", "UNKNOWN_FIELD", "UNKNOWN_VERSION",
        "UUID", "VERSION",
    }  # fmt: skip


def agree(prepared: Row | Rejected, expected: dict[str, Any] | Refusal) -> None:
    """See that the fast path says what the reference says; of many violations it says the first ones."""
    if isinstance(prepared, Rejected):
        assert isinstance(expected, Refusal), prepared
        told = [violation[:2] for violation in prepared.violations]
        assert prepared.reason == expected.reason
        if told[-1][1] == TOO_MANY_VIOLATIONS:
            assert len(expected.broken) > MAX_VIOLATIONS
            assert not Counter(told[:-1]) - Counter(expected.broken)
        else:
            assert sorted(told) == sorted(expected.broken)
    else:
        row = dict(zip(COLUMNS, prepared, strict=True))
        del row["ip_address"]
        assert row == expected
