"""Page tokens: round trip, signature, and what is refused; and sizes of pages."""

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from server.paging import MAX_PAGE_SIZE, InvalidPageTokenError, PageToken, PageTokens, read_page_size
from server.reports.errors import QuestionError
from server.secrets import PAGE_TOKEN_PURPOSE, ServiceSecret
from sociallive.analytics.v1.admin_service_pb2 import ListRejectedEventsRequest
from sociallive.analytics.v1.event_list_pb2 import ListEventsRequest
from sociallive.analytics.v1.funnel_pb2 import ListFunnelActorsRequest


def key_of(secret: str) -> bytes:
    """Derive the key of page tokens from a secret."""
    return ServiceSecret(secret, "a test").derive_key(PAGE_TOKEN_PURPOSE)


TOKENS = PageTokens(key_of("the secret of a service"))
TIMES = st.datetimes(datetime(1970, 1, 1), datetime(2199, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=256)
START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
LAST = (START, 5, "0190a000-0000-7000-8000-000000000001")
KINDS = (datetime, int, str)


def token_text(token: PageToken = PageToken(START, END, LAST), tokens: PageTokens = TOKENS) -> str:  # noqa: B008 - frozen
    """Write a token for a list of events without a filter."""
    return tokens.write(token, ListEventsRequest())


def read(text: str, tokens: PageTokens = TOKENS, **fields: Any) -> PageToken | None:
    """Read a token with a list of events."""
    return tokens.read(ListEventsRequest(page_token=text, **fields), *KINDS)


@given(TIMES, TIMES, TIMES, st.integers(0, 2**63 - 1), TEXTS, TEXTS, st.integers(-1, 5_000))
def test_a_token_reads_back_with_its_request(
    one: datetime, other: datetime, last: datetime, sequence: int, event_id: str, user_id: str, page_size: int
) -> None:
    """Whatever it holds comes back, exact to the microsecond, and a page may have another size."""
    if one == other:
        return
    token = PageToken(min(one, other), max(one, other), (last, sequence, event_id))
    text = TOKENS.write(token, ListEventsRequest(user_id=user_id, page_size=7))
    assert read(text, user_id=user_id, page_size=page_size) == token


def test_a_request_without_a_token_asks_for_the_first_page() -> None:
    """Nothing is read."""
    assert read("") is None


@pytest.mark.finding(12)
@given(st.one_of(st.text(min_size=1, max_size=200), st.binary(min_size=1, max_size=200).map(base64.urlsafe_b64encode)))
@example("A" * 5_000)
@example(base64.urlsafe_b64encode(b"\0" * 24 + b'[253402300800000000,253402300800000001,0,0,""]').decode())
def test_any_other_text_is_refused(text: str | bytes) -> None:
    """Whatever it is: no text that this service did not write, however well it is formed, gets further than that."""
    with pytest.raises(InvalidPageTokenError, match="unchanged") as caught:
        read(text if isinstance(text, str) else text.decode())
    assert (caught.value.field, caught.value.reason) == ("page_token", "INVALID_PAGE_TOKEN")


@pytest.mark.finding(12)
@given(st.data())
def test_a_token_that_was_changed_anywhere_is_refused(data: st.DataObject) -> None:
    """A character replaced, added or taken away, in its signature and in what it holds."""
    text = token_text()
    place = data.draw(st.integers(0, len(text) - 1))
    change = data.draw(st.sampled_from("AZaz09-_=+ \n\u00e9"))
    changed = data.draw(
        st.sampled_from(
            [
                text[:place] + change + text[place + 1 :],
                text[:place] + change + text[place:],
                text[:place] + text[place + 1 :],
            ]
        )
    )
    if changed in (text, ""):
        return
    with pytest.raises(InvalidPageTokenError):
        read(changed)


@pytest.mark.finding(12)
def test_a_token_signed_with_another_key_is_refused() -> None:
    """With a text that says so; servers that share the secret read each other's."""
    text = token_text()
    with pytest.raises(InvalidPageTokenError, match="a service with another key refuses"):
        read(text, PageTokens(key_of("another secret")))
    assert read(text, PageTokens(key_of("the secret of a service")))


@pytest.mark.finding(12)
@pytest.mark.parametrize(
    "token",
    [
        PageToken(START, datetime(9999, 12, 31, tzinfo=UTC), LAST),
        PageToken(datetime(1, 1, 1, tzinfo=UTC), END, LAST),
        PageToken(END, START, LAST),
        PageToken(START, END, (datetime(9999, 12, 31, tzinfo=UTC), 5, LAST[2])),
        PageToken(START, END, (START, -1, LAST[2])),
        PageToken(START, END, (START, 2**63, LAST[2])),
        PageToken(START, END, (START, True, LAST[2])),
        PageToken(START, END, (START, 5, "a\0b")),
        PageToken(START, END, (10**30 % 2**64, 5, LAST[2])),
        PageToken(START, END, (START, 5)),
        PageToken(START, END, (*LAST, 1)),
        PageToken(START, END, ("text", 5, LAST[2])),
    ],
)
def test_bounds_are_checked_although_the_signature_is_right(token: PageToken) -> None:
    """Times beyond the calendar of events, a range that ends before it starts, and values of another kind."""
    with pytest.raises(InvalidPageTokenError):
        read(token_text(token))


def test_a_token_belongs_to_its_request_and_its_list() -> None:
    """It says that it belongs to another one."""
    for request in (
        ListEventsRequest(page_token=token_text(), user_id="another"),
        ListFunnelActorsRequest(page_token=token_text()),
        ListRejectedEventsRequest(page_token=token_text()),
    ):
        with pytest.raises(InvalidPageTokenError, match="another request"):
            TOKENS.read(request, *KINDS)


@pytest.mark.parametrize(
    ("asked", "size"), [(0, 100), (1, 1), (1_000, 1_000), (1_001, 1_000), (2**31 - 1, MAX_PAGE_SIZE)]
)
def test_a_page_size_is_cut_to_the_maximum(asked: int, size: int) -> None:
    """And 0 means the default."""
    assert read_page_size(asked) == size


def test_a_negative_page_size_is_refused() -> None:
    """It says what may be asked for."""
    with pytest.raises(QuestionError, match="must not be negative"):
        read_page_size(-1)
