"""JSON, and what is nearly JSON, through splitting, preparation and rejection: a bounded outcome for each event."""

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.json.document import DocumentError, read_events
from events.normalize import Rejected
from events.rejection import COLUMNS, MAX_PAYLOAD_BYTES, reject_json
from tests.fuzz.check import check_json
from tests.fuzz.mutations import mutate
from tests.fuzz.nasty import MANY_KEYS
from tests.fuzz.test_input import BOUNDED, MUTATIONS_PER_SEED, data
from tests.unit.event_samples import CATALOGUE, NORMALIZER, NOW
from tests.unit.json_faults import FAULTS, GOOD, body_of
from tests.unit.random_events import EventMaker

MOST = 100
LONG_BYTES = 10_000
"""A fault this long takes a minute where it is cut at each place."""


@pytest.mark.finding(14)
@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("fault", FAULTS, ids=[fault[:20].hex() for fault in FAULTS])
def test_an_event_that_is_no_json_is_rejected_alone(fault: bytes, place: int) -> None:
    """Of four events three become rows, in every place, and the bytes of the fourth are kept."""
    events = [GOOD] * 3
    events.insert(place, fault)
    try:
        document = read_events(body_of(*events), most=MOST)
    except DocumentError:
        pytest.fail("one bad event refuses the others")
    prepared = [NORMALIZER.prepare_json(value, NOW) for value in document.values]
    assert [isinstance(each, Rejected) for each in prepared] == [index == place for index in range(4)]
    rejected = prepared[place]
    assert isinstance(rejected, Rejected)
    made = reject_json(document.raw(place), document.values[place], rejected, NOW, "TrackEvents")
    kept = dict(zip(COLUMNS, made, strict=True))["payload"]
    assert kept == (fault if 0 < len(fault) <= MAX_PAYLOAD_BYTES else None)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fault, id=fault[:20].hex(), marks=[pytest.mark.slow] if len(fault) > LONG_BYTES else [])
        for fault in FAULTS
    ],
)
def test_faults_are_cut_and_joined_anywhere(fault: bytes) -> None:
    """Every beginning and every end of a fault, alone and in a body."""
    for place in range(min(len(fault), 40)):
        for part in (fault[:place], fault[place:], fault[:place] + fault[place + 1 :]):
            check_json(part)
            check_json(body_of(GOOD, part, GOOD))


@BOUNDED
@given(text=st.binary(max_size=300))
def test_takes_or_refuses_any_bytes(text: bytes) -> None:
    """As an event, as a body, and as an event of a body."""
    check_json(text)
    check_json(body_of(GOOD, text, GOOD))


@BOUNDED
@given(seed=st.integers(min_value=0))
def test_takes_or_refuses_mutations_of_events(seed: int) -> None:
    """Of events near the edges of the rules, and of the faults."""
    random = Random(seed)  # noqa: S311 - it makes test data
    events = [EventMaker(random, CATALOGUE, NOW).make_json() for _ in range(random.randrange(1, 4))]
    texts = [json.dumps({"events": events}).encode(), body_of(GOOD, random.choice([*FAULTS])[:1000])]
    for _ in range(MUTATIONS_PER_SEED):
        check_json(mutate(random, random.choice(texts), random.choice(texts)))


@BOUNDED
@given(event_type=st.sampled_from([*CATALOGUE.types, "vieew", ""]), members=data, envelope=data)
def test_takes_or_refuses_members_of_any_shape(
    event_type: str, members: dict[str, Any], envelope: dict[str, Any]
) -> None:
    """In data, in a typed payload, in free metadata, and among the event's own; NaN and infinities are no JSON."""
    for event in (
        {"eventType": event_type, "data": members},
        {event_type: members},
        {"engagement": {"metadata": members}},
        envelope | {"eventType": event_type, "device": members},
    ):
        check_json(json.dumps(event).encode())


@pytest.mark.parametrize("key", ["k{}", "{}" * 200, "contentI{}"])
def test_ten_thousand_keys_are_refused_in_a_short_answer(key: str) -> None:
    """Among the event's own members, in data, in its device and in an object inside of it."""
    many = {key.replace("{}", str(number)): number for number in range(MANY_KEYS)}
    for event in (many, {"eventType": "view", "data": many}, {"view": {}, "device": many}):
        check_json(json.dumps(event).encode())
    check_json(json.dumps({"engagement": {"metadata": many}}).encode())
