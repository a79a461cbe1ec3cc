"""The catalogue: what the .proto files declare is read as it stands, and contradictions are told precisely."""

from datetime import date
from pathlib import Path

import pytest

from events.event_type import CatalogueError, Upcast
from tests.changed_protos import add_event_type, copy_protos, read_catalogue
from tests.unit.event_samples import CATALOGUE

pytestmark = pytest.mark.processes

VERSIONS = 'versions: [{version: "1.0.0" released: "2025-01-01"}, {version: "1.2.0" released: "2025-06-01"}]'
"""What most of the types here declare."""


def visit(fields: str, versions: str = VERSIONS, name: str = "visit") -> str:
    """Write a message that declares an event type."""
    return f'message VisitEvent {{\n  option (event_type) = {{name: "{name}" {versions}}};\n{fields}\n}}\n'


PLACE = 'string place = 1 [(rules) = {required: true max_length: 64 known_values: ["shop"]}];'


FIRST_TYPES = {
    "view": [
        ["contentType*", "contentId*"],
        ["contentType*", "contentId*", "viewDuration", "scrollDepth", "referrer"],
    ],
    "engagement": [
        ["action*", "targetType*", "targetId*"],
        ["action*", "targetType*", "targetId*", "metadata"],
    ],
    "purchase": [
        ["productId*", "orderId*", "amount*", "currency*", "quantity", "paymentMethod"],
        [
            "productId*",
            "orderId*",
            "amount*",
            "currency*",
            "quantity",
            "paymentMethod",
            "conversionPath",
            "metadata",
        ],
    ],
    "stream": [
        ["streamId*", "action*"],
        [
            "streamId*",
            "action*",
            "watchDuration",
            "viewerCount",
            "quality",
            "bitrateKbps",
            "metadata",
        ],
    ],
    "session": [["action*"], ["action*", "duration", "entryPoint", "metadata"]],
}
"""The fields of the first types in 1.0.0 and in 1.1.0, as the design's table says; * is required."""


@pytest.mark.parametrize("name", FIRST_TYPES)
def test_the_first_types_are_there_in_both_versions_with_their_fields(name: str) -> None:
    """Core fields in 1.0.0, the others since 1.1.0; types and versions that came later change nothing about them."""
    event_type = CATALOGUE.types[name]
    assert [version.version for version in event_type.versions[:2]] == ["1.0.0", "1.1.0"]
    assert FIRST_TYPES[name] == [
        [field.json_name + ("*" if field.required else "") for field in event_type.fields_in(version)]
        for version in ("1.0.0", "1.1.0")
    ]


def test_a_new_type_is_read_with_all_it_declares(tmp_path: Path) -> None:
    """One file, and one line of the oneof."""
    versions = """versions: [
      {version: "1.0.0" released: "2025-01-01" deprecated: "2025-07-01"},
      {version: "1.2.0" released: "2025-06-01" upcasts: [{field: "guests" value: "1"}, {field: "room" from: "place"}]}
    ]"""
    fields = f"""  {PLACE}
      optional int32 guests = 2 [(rules) = {{since: "1.2.0" minimum: 1 maximum: 9 unit: "people"}}];
      string room = 3 [(rules) = {{since: "1.2.0"}}];"""
    catalogue = read_catalogue(add_event_type(tmp_path, "visit", "VisitEvent", visit(fields, versions)))
    names = [*CATALOGUE.types]
    names.insert(names.index("stream"), "visit")
    assert [*catalogue.types] == names
    oldest, newest = catalogue.types["visit"].versions
    assert (oldest.released, oldest.deprecated, oldest.upcasts) == (date(2025, 1, 1), date(2025, 7, 1), ())
    assert newest.upcasts == (Upcast("guests", value=1), Upcast("room", source="place"))
    guests = catalogue.types["visit"].fields[1]
    assert (guests.since, guests.minimum, guests.maximum, guests.unit) == ("1.2.0", 1, 9, "people")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("message VisitEvent {}\n", "lacks `option .event_type.`; declare its name and versions"),
        (visit(PLACE, name="vist"), "'vist', but its field in the oneof `payload` is named 'visit'"),
        (visit(PLACE, versions=""), "declares no versions; it needs at least one"),
        (visit(PLACE, 'versions: [{version: "1.0" released: "2025-01-01"}]'), "'1.0' of .* is not a semantic version"),
        (visit(PLACE, 'versions: [{version: "1.0.0" released: "June"}]'), "'June'; write a date, for example"),
        (
            visit(PLACE, VERSIONS.replace("1.2.0", "0.9.0")),
            "lists version 0.9.0 after 1.0.0; list the oldest first",
        ),
        (
            visit(PLACE, VERSIONS.replace("2025-06-01", "2024-06-01")),
            "says that 1.2.0 was released before 1.0.0",
        ),
        (
            visit(PLACE, 'versions: [{version: "1.0.0" released: "2025-01-01" deprecated: "2025-02-01"}]'),
            "deprecates 1.0.0, its newest version; release a newer one first",
        ),
        (
            visit(
                PLACE,
                'versions: [{version: "1.0.0" released: "2025-01-01" deprecated: "2024-01-01"},'
                '{version: "1.1.0" released: "2025-01-01"}]',
            ),
            "says that 1.0.0 was deprecated before it was released",
        ),
        (
            visit('string a = 1 [(rules) = {since: "1.1.0"}];'),
            "says since '1.1.0', which is not a version of this type",
        ),
        (visit('string a = 1 [(rules) = {since: "one"}];'), "says since 'one', which is not a version"),
        (visit("string a = 1 [(rules) = {minimum: 1}];"), "has a minimum, maximum or unit but is a string"),
        (visit("double a = 1 [(rules) = {max_length: 3}];"), "has a max_length but is a number"),
        (visit("double a = 1 [(rules) = {minimum: 2 maximum: 1}];"), "has a minimum of 2, above its maximum of 1"),
        (visit("double a = 1 [(rules) = {maximum: inf}];"), "has a bound that is not finite"),
        (visit("int32 a = 1 [(rules) = {minimum: 0.5}];"), "is a whole number but has a bound that is not"),
        (visit("int32 a = 1 [(rules) = {required: true}];"), "does not track presence, .* declare it `optional`"),
        (visit("bool a = 1 [(rules) = {max_items: 3}];"), "has max_items but is true or false"),
        (visit('string a = 1 [(rules) = {allowed_values: ["x", "x"]}];'), "lists an allowed value twice"),
        (visit('string a = 1 [(rules) = {max_length: 1 known_values: ["xy"]}];'), "is empty or longer than its max"),
        (visit('string a = 1 [(rules) = {format: TEXT_FORMAT_UUID allowed_values: ["x"]}];'), "remove one of them"),
        (visit('string a_b = 1 [json_name = "ab"];'), "has a json_name of its own"),
        (visit("bytes a = 1;"), "has a type that event fields cannot have; use string, double"),
        (visit("repeated double a = 1;"), "has a type that event fields cannot have"),
        (visit("float a = 1;"), "has a type that event fields cannot have"),
    ],
)
def test_a_contradiction_is_told_with_its_place(tmp_path: Path, text: str, problem: str) -> None:
    """The message that is at fault, or its field, stands in front."""
    with pytest.raises(CatalogueError, match=problem) as caught:
        read_catalogue(add_event_type(tmp_path, "visit", "VisitEvent", text))
    assert "sociallive.analytics.v1.VisitEvent" in str(caught.value)


@pytest.mark.parametrize(
    ("upcast", "problem"),
    [
        ('{field: "guest" value: "1"}', "must set a field that is new in this version"),
        ('{field: "place" value: "\\"x\\""}', "must set a field that is new in this version"),
        ('{field: "guests" value: "one"}', "has the value 'one'; write JSON"),
        ('{field: "guests" value: "null"}', "has the value 'null'; write JSON"),
        (
            '{field: "guests" value: "\\"two\\""}',
            "has the value 'two', which is the string 'two'; expected a whole number",
        ),
        ('{field: "guests" value: "0"}', "has the value 0, which is 0; the minimum is 1"),
        ('{field: "guests" from: "place"}', "takes the value of place, which is a string and not a whole number"),
        ('{field: "guests" from: "room"}', "takes the value of room, which version 1.0.0 does not have"),
        ('{field: "guests"}', "has the value ''; write JSON"),
    ],
)
def test_an_upcast_completes_what_is_new_with_what_is_valid(tmp_path: Path, upcast: str, problem: str) -> None:
    """So that what is read is an event that could have been sent."""
    versions = VERSIONS.replace('released: "2025-06-01"', f'released: "2025-06-01" upcasts: [{upcast}]')
    fields = f"""{PLACE}
      optional int32 guests = 2 [(rules) = {{since: "1.2.0" minimum: 1}}];
      string room = 3 [(rules) = {{since: "1.2.0"}}];"""
    with pytest.raises(CatalogueError) as caught:
        read_catalogue(add_event_type(tmp_path, "visit", "VisitEvent", visit(fields, versions)))
    assert problem in str(caught.value)


def test_a_first_version_has_nothing_to_upcast_from(tmp_path: Path) -> None:
    """It is told instead of being ignored."""
    versions = 'versions: [{version: "1.0.0" released: "2025-01-01" upcasts: [{field: "place" value: "1"}]}]'
    with pytest.raises(
        CatalogueError, match=r"has upcasts in its first version, 1\.0\.0; upcasts start from an earlier version"
    ):
        read_catalogue(add_event_type(tmp_path, "visit", "VisitEvent", visit(PLACE, versions)))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "  string platform = 9 [",
            "  string channel = 9 [",
            "channel, platform: missing, unknown or of the wrong type",
        ),
        ("(rules) = {minimum: 0}", '(rules) = {minimum: 0 since: "1.1.0"}', "Event.sequence: the envelope's fields"),
        ("Device device = 12", "Device gadget = 12", "has no message `device`; declare it"),
        (
            '[(rules) = {since: "1.1.0"}]',
            '[(rules) = {since: "1.9.0"}]',
            "'1.9.0', which is not a version of any event type",
        ),
        ("(rules) = {max_length: 128}", '(rules) = {since: "1.1.0"}', "Event.device: its fields cannot have `since`"),
        ("  oneof payload {", "  oneof body {", "has no oneof `payload`; declare it"),
    ],
)
def test_the_envelope_is_what_events_are_stored_by(tmp_path: Path, old: str, new: str, problem: str) -> None:
    """Its fields cannot be renamed or released one by one."""
    with pytest.raises(CatalogueError) as caught:
        read_catalogue(copy_protos(tmp_path, {}, {"event.proto": (old, new)}))
    assert problem in str(caught.value)
