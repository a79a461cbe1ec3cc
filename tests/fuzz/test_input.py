"""Arbitrary input through parsing, preparation and rejection: nothing but DecodeError, and bounded outcomes."""

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct, Value
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.track_pb2 import TrackBatchRequest
from tests.fuzz.check import check_event, check_wire
from tests.fuzz.mutations import mutate
from tests.fuzz.nasty import CORPUS, MANY_KEYS, nasty_jsons, nasty_wires
from tests.unit.event_samples import CATALOGUE, NOW
from tests.unit.random_events import EventMaker

BOUNDED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A few seconds a test: enough to notice a mistake, and each run tries others."""
MUTATIONS_PER_SEED = 20

WIRES = sorted(CORPUS.glob("*.bin"))
JSONS = sorted(CORPUS.glob("*.json"))
NAMES = [
    name
    for event_type in CATALOGUE.types.values()
    for field in event_type.fields
    for name in (field.name, field.json_name)
]

texts = st.text(max_size=30) | st.sampled_from(["\0", "NaN", "1e999", "-1", "x" * 5000, "\U0001f600" * 300])
numbers = st.floats() | st.sampled_from([2.0**53, 1e22, -0.0, 5e-324])
jsons = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=30,
)
data = st.dictionaries(st.sampled_from(NAMES) | texts, jsons, max_size=12)


def to_value(json_value: Any) -> Value:
    """Turn JSON of any shape into a Value; numbers may be no JSON ones."""
    if json_value is None:
        return Value(null_value=0)  # type: ignore[arg-type] # its only value
    if isinstance(json_value, bool):
        return Value(bool_value=json_value)
    if isinstance(json_value, int | float):
        return Value(number_value=json_value)
    if isinstance(json_value, str):
        return Value(string_value=json_value)
    value = Value()
    if isinstance(json_value, list):
        value.list_value.values.extend(map(to_value, json_value))
        value.list_value.SetInParent()
    else:
        value.struct_value.CopyFrom(to_struct(json_value))
    return value


def to_struct(members: dict[str, Any]) -> Struct:
    """Turn an object into a Struct."""
    return Struct(fields={name: to_value(value) for name, value in members.items()})


@pytest.mark.parametrize("path", WIRES, ids=lambda path: path.stem)
def test_takes_or_refuses_the_messages_of_the_corpus(path: Path) -> None:
    """And each of them with every byte but one, and cut at every place near its ends."""
    wire = path.read_bytes()
    check_wire(wire)
    for place in (*range(min(len(wire), 60)), *range(max(len(wire) - 20, 0), len(wire))):
        check_wire(wire[:place])
        check_wire(wire[:place] + wire[place + 1 :])


@pytest.mark.parametrize("path", JSONS, ids=lambda path: path.stem)
@pytest.mark.parametrize("event_type", [*CATALOGUE.types, "vieew", ""])
def test_takes_or_refuses_the_data_of_the_corpus(path: Path, event_type: str) -> None:
    """Under every type. What is no Unicode does not even fit into a message."""
    members = json.loads(path.read_text())
    try:
        event = Event(event_type=event_type, data=to_struct(members))
    except (UnicodeEncodeError, ValueError):
        assert path.stem == "lone_surrogate"
        return
    check_event(event)


def test_the_corpus_is_what_its_program_writes() -> None:
    """So that a reader can tell what each file is."""
    assert {path.stem: path.read_bytes() for path in WIRES} == dict(nasty_wires())
    assert {path.stem: path.read_text() for path in JSONS} == {
        name: json.dumps(value) + "\n" for name, value in nasty_jsons()
    }


@BOUNDED
@given(wire=st.binary(max_size=300))
def test_takes_or_refuses_any_bytes(wire: bytes) -> None:
    """As a request, and as the event inside of one."""
    check_wire(wire)
    if len(wire) < 128:
        check_wire(b"\x0a" + bytes([len(wire)]) + wire)


@BOUNDED
@given(seed=st.integers(min_value=0))
def test_takes_or_refuses_mutations_of_valid_messages(seed: int) -> None:
    """Of events near the edges of the rules, and of the corpus."""
    random = Random(seed)  # noqa: S311 - it makes test data
    events = [EventMaker(random, CATALOGUE, NOW).make() for _ in range(random.randrange(1, 4))]
    wires = [TrackBatchRequest(events=events).SerializeToString(), random.choice(WIRES).read_bytes()]
    for _ in range(MUTATIONS_PER_SEED):
        check_wire(mutate(random, random.choice(wires), random.choice(wires)))


@BOUNDED
@given(
    event_type=st.sampled_from([*CATALOGUE.types, "vieew", ""]),
    members=data,
    version=st.sampled_from(["", "1.0.0", "2"]),
)
def test_takes_or_refuses_data_of_any_shape(event_type: str, members: dict[str, Any], version: str) -> None:
    """The same as free metadata, where that is allowed."""
    struct = to_struct(members)
    check_event(Event(event_type=event_type, schema_version=version, data=struct))
    if event_type == "engagement":
        event = Event(event_type=event_type)
        event.engagement.metadata.CopyFrom(struct)
        check_event(event)


@pytest.mark.parametrize("event_type", CATALOGUE.types)
@pytest.mark.parametrize("key", ["k{}", "{}" * 200, "contentI{}"])
def test_ten_thousand_keys_are_refused_in_a_short_answer(event_type: str, key: str) -> None:
    """In data, and in an object inside of it; `check_event` bounds the answer."""
    many = {key.replace("{}", str(number)): number for number in range(MANY_KEYS)}
    check_event(Event(event_type=event_type, data=to_struct(many)))
    check_event(Event(event_type=event_type, data=to_struct({"metadata": many})))
