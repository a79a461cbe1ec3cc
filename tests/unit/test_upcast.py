"""Reading events of older versions in the newest one."""

from dataclasses import replace
from datetime import date
from types import MappingProxyType
from typing import Any

import pytest

from events.event_type import Catalogue, Upcast, Version
from events.upcast import Upcaster
from tests.unit.event_samples import CATALOGUE, MINIMAL, row_of, typed


def catalogue() -> Catalogue:
    """Make a catalogue whose views have three versions, of which the newer ones complete older events."""
    view = CATALOGUE.types["view"]
    first, second = view.versions
    changed = replace(
        view,
        versions=(
            first,
            replace(second, upcasts=(Upcast("referrer", source="content_type"), Upcast("scroll_depth", value=0.5))),
            Version("1.2.0", date(2025, 1, 1), upcasts=(Upcast("view_duration", value=0),)),
        ),
    )
    return replace(CATALOGUE, types=MappingProxyType({**CATALOGUE.types, "view": changed}))


def stored(version: str, event_data: str, event_type: str = "view") -> dict[str, Any]:
    """Make what is stored of an event."""
    return {"event_id": "1", "event_type": event_type, "schema_version": version, "event_data": event_data}


@pytest.mark.parametrize(
    ("version", "before", "after"),
    [
        (
            "1.0.0",
            '{"contentType":"post"}',
            '{"contentType":"post","referrer":"post","scrollDepth":0.5,"viewDuration":0}',
        ),
        ("1.0.0", "{}", '{"scrollDepth":0.5,"viewDuration":0}'),
        ("1.1.0", '{"scrollDepth":0.1}', '{"scrollDepth":0.1,"viewDuration":0}'),
        ("1.1.0", '{"contentType":"post","viewDuration":7}', '{"contentType":"post","viewDuration":7}'),
        ("1.2.0", "{}", "{}"),
    ],
)
def test_an_event_takes_every_step_from_its_version_on(version: str, before: str, after: str) -> None:
    """A field that it has stays as it is, and one without a source stays missing."""
    event = stored(version, before)
    assert Upcaster(catalogue()).upcast(event) == stored("1.2.0", after)
    assert event == stored(version, before)


def test_a_version_without_steps_only_takes_the_name() -> None:
    """Its data is not even read."""
    assert Upcaster(CATALOGUE).upcast(stored("1.0.0", "as it is", "purchase")) == stored(
        "1.1.0", "as it is", "purchase"
    )


@pytest.mark.parametrize(("event_type", "version"), [("view", "9.0.0"), ("visit", "1.0.0")])
def test_what_a_newer_program_has_stored_is_left_alone(event_type: str, version: str) -> None:
    """It is the very same."""
    event = stored(version, "{}", event_type)
    assert Upcaster(CATALOGUE).upcast(event) is event


@pytest.mark.parametrize("name", list(MINIMAL))
def test_what_is_read_upcast_could_have_been_sent(name: str) -> None:
    """Every type, from its oldest version to its newest: the row of the newest, of the same data."""
    old, new = (row_of(typed(name, MINIMAL[name], schemaVersion=version)) for version in ("1.0.0", "1.1.0"))
    assert Upcaster(CATALOGUE).upcast(old) == new
