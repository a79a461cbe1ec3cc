"""The fingerprint tells a repeat from another event under the same id."""

from datetime import timedelta
from typing import Any

import pytest

from storage.write.fingerprint import fingerprint
from tests.rows import NOON, make_row


def test_a_retry_has_the_same_fingerprint_although_its_times_differ() -> None:
    """The server fills in a missing timestamp anew each time."""
    first = make_row()
    again = make_row(timestamp=NOON + timedelta(hours=1), received_at=NOON + timedelta(hours=2))
    assert fingerprint(first) == fingerprint(again)


@pytest.mark.finding(5)
@pytest.mark.parametrize(
    "resolved",
    [
        {"schema_version": "1.2.0"},
        {"timestamp": NOON + timedelta(hours=1), "timestamp_source": "missing"},
        {"timestamp": NOON - timedelta(hours=1), "timestamp_source": "corrected"},
        {"received_at": NOON + timedelta(days=1)},
        {"ip_address": "0" * 64},
    ],
)
def test_what_the_server_resolves_does_not_count(resolved: dict[str, Any]) -> None:
    """The same event, sent again to another server or after a release, is the same event."""
    assert fingerprint(make_row(**resolved)) == fingerprint(make_row())


@pytest.mark.parametrize(
    "change",
    [
        {"event_type": "session"},
        {"user_id": "user-2"},
        {"user_id": None},
        {"session_id": "session-2"},
        {"platform": "ios"},
        {"event_data": '{"contentType":"post","contentId":"post-2"}'},
    ],
)
def test_another_payload_has_another_fingerprint(change: dict[str, str | None]) -> None:
    """Everything that the caller says of the event counts."""
    assert fingerprint(make_row(**change)) != fingerprint(make_row())


def test_text_does_not_slip_from_one_part_into_the_next() -> None:
    """User "ab" without session is not user "a" with session "b"."""
    assert fingerprint(make_row(user_id="ab", session_id=None)) != fingerprint(make_row(user_id="a", session_id="b"))


def test_it_fits_a_bigint() -> None:
    """Both signs occur, and nothing is outside of 64 bits."""
    values = [fingerprint(make_row(user_id=f"user-{number}")) for number in range(100)]
    assert min(values) < 0 < max(values)
    assert all(-(2**63) <= value < 2**63 for value in values)


def test_text_that_cannot_be_encoded_has_one_too() -> None:
    """Postgres refuses such a row by itself; the fingerprint does not fail before it."""
    assert isinstance(fingerprint(make_row(user_id="\ud800")), int)


def test_it_never_changes() -> None:
    """It is stored: a newer program must recognise what an older one kept."""
    row = make_row(event_type="view", schema_version="1.1.0", user_id="user-1", session_id=None, platform="web")
    assert fingerprint(row) == -6_788_740_051_588_046_168
