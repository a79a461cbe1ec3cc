"""What the gateway says of unknown fields, read by the server."""

from typing import Any

import pytest

from gateway import headers
from server.rpc.refusals import UnknownFieldError
from server.rpc.unknown_fields import MOST_PLACES, unknown_fields
from tests.unit.test_gateway_calls import FakeContext


def read(text: str) -> dict[int, list[tuple[str, str]]]:
    """Read a header's text: fields and their descriptions by place."""
    context: Any = FakeContext((headers.UNKNOWN_FIELDS, text))
    return {place: [(at.field, at.description) for at in all_of] for place, all_of in unknown_fields(context).items()}


def test_a_call_without_the_header_has_none() -> None:
    """As every call that comes directly."""
    context: Any = FakeContext()
    assert not unknown_fields(context)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("event.usrId:", {0: ["usrId"]}),
        ("event.view.contentTipe:;event.x:", {0: ["view.contentTipe", "x"]}),
        ("events.usrId:0-2,4;events.x:2", {0: ["usrId"], 1: ["usrId"], 2: ["usrId", "x"], 4: ["usrId"]}),
    ],
)
def test_fields_are_read_by_place(text: str, expected: dict[int, list[str]]) -> None:
    """A single event is the first."""
    assert {place: [field for field, _ in all_of] for place, all_of in read(text).items()} == expected


def test_the_name_that_was_meant_is_of_the_message_where_it_stands() -> None:
    """A payload's fields are other ones than the event's."""
    assert "contentType" in read("event.view.contentTipe:")[0][0][1]
    assert "userId" in read("event.usrId:")[0][0][1]
    assert "did you mean" not in read("event.nowhere.x:")[0][0][1]


@pytest.mark.parametrize(
    "text", ["backfil:", "...", "events.x:1;...", "events.x:1--2", "events.x:a", "events x:1", ":", ";", "event.x:1,"]
)
def test_what_cannot_be_told_refuses_the_request(text: str) -> None:
    """Also where the header does not come from the gateway."""
    with pytest.raises(UnknownFieldError):
        read(text)


def test_places_are_bounded() -> None:
    """A header of a few bytes cannot ask for millions of violations."""
    assert len(read("events.x:0-9999999")) == MOST_PLACES + 1
    assert not read("events.x:9999999-9999999")
