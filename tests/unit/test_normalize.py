"""A valid event becomes the row that is stored: times, ids, actors and addresses."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from events.normalize import CORRECTED, FUTURE, MISSING, Normalizer, Rejected
from tests.unit.event_samples import EVENT_ID, NEW_ID, NORMALIZER, NOW, VIEW, row_of, typed

MICROSECOND = timedelta(microseconds=1)
"""The resolution of stored times."""


def view_at(timestamp: datetime, **envelope: Any) -> Any:
    """Make a view of some time."""
    event = typed("view", VIEW, **envelope)
    event.timestamp.FromDatetime(timestamp)
    return event


@pytest.mark.parametrize(
    "timestamp",
    [NOW, NOW - timedelta(days=90), NOW + timedelta(minutes=5), NOW - timedelta(days=33, seconds=7, microseconds=1)],
)
def test_a_timestamp_is_kept_to_the_microsecond(timestamp: datetime) -> None:
    """From the edge of the retention to that of the future."""
    row = row_of(view_at(timestamp))
    assert (row["timestamp"], row["timestamp"].tzinfo, row["timestamp_source"]) == (timestamp, UTC, None)


@pytest.mark.parametrize("timestamp", [datetime(1970, 1, 1, tzinfo=UTC), datetime(1997, 1, 12, 1, 2, 3, 4, tzinfo=UTC)])
def test_an_import_may_bring_any_age(timestamp: datetime) -> None:
    """Other callers are refused, and told how old the event is."""
    assert row_of(view_at(timestamp), backfill=True)["timestamp"] == timestamp
    rejected = NORMALIZER.prepare(view_at(timestamp), NOW)
    assert isinstance(rejected, Rejected)
    assert rejected.reason == "EVENT_TOO_OLD"
    assert f"is {(NOW - timestamp).days} days old" in rejected.violations[0].description


def test_an_import_is_warned_of_events_that_do_not_stay() -> None:
    """With their number and the setting; not of those of the last 90 days, nor where everything is kept."""
    ages = [timedelta(0), timedelta(days=90), timedelta(days=90) + MICROSECOND, timedelta(days=900)]
    rows = [NORMALIZER.prepare(view_at(NOW - age), NOW, backfill=True) for age in ages]
    kept = [row for row in rows if not isinstance(row, Rejected)]
    ((warning, count),) = NORMALIZER.count_warnings(kept, backfill=True).items()
    assert count == 2
    assert "more than 90 days old" in warning
    assert "ANALYTICS_RETENTION_RAW_DAYS above" in warning
    assert NORMALIZER.count_warnings(kept[:2], backfill=True) == {}
    assert Normalizer(ip_hash_key=b"k", retention_raw_days=0).count_warnings(kept, backfill=True) == {}


def test_the_time_of_receipt_stands_in_for_a_missing_or_a_future_timestamp() -> None:
    """The row says why."""
    missing, future = row_of(typed("view", VIEW)), row_of(view_at(NOW + timedelta(minutes=5) + MICROSECOND))
    assert (missing["timestamp"], missing["timestamp_source"]) == (NOW, MISSING)
    assert (future["timestamp"], future["timestamp_source"]) == (NOW, FUTURE)


def test_a_wrong_clock_is_corrected_by_what_it_says_at_sending() -> None:
    """But not for an import, whose events were sent once before."""
    event = view_at(NOW - timedelta(hours=2))
    event.sent_at.FromDatetime(NOW - timedelta(hours=1))
    row = row_of(event)
    assert (row["timestamp"], row["timestamp_source"]) == (NOW - timedelta(hours=1), CORRECTED)
    assert row_of(event, backfill=True)["timestamp"] == NOW - timedelta(hours=2)


def test_times_are_utc_wherever_the_server_stands() -> None:
    """The time of receipt may come in any zone, and each has limits of its own."""
    normalizer = Normalizer(ip_hash_key=b"k", retention_raw_days=1)
    for received_at in (NOW, NOW.astimezone(timezone(timedelta(hours=5, minutes=30))), NOW + timedelta(days=2)):
        row = normalizer.prepare(view_at(received_at.astimezone(UTC) - timedelta(days=1)), received_at)
        assert not isinstance(row, Rejected)
        assert (row[3], row[3].tzinfo) == (received_at - timedelta(days=1), UTC)
        too_old = view_at(received_at.astimezone(UTC) - timedelta(days=1) - MICROSECOND)
        assert isinstance(normalizer.prepare(too_old, received_at), Rejected)


def test_ids_are_lower_case_and_made_where_they_are_missing() -> None:
    """A UUID is the same in either case."""
    assert row_of(typed("view", VIEW, eventId=EVENT_ID.upper()))["event_id"] == EVENT_ID
    assert row_of(typed("view", VIEW))["event_id"] == NEW_ID


def test_the_actor_is_the_user_else_the_session_else_the_event() -> None:
    """Empty texts are stored as missing."""
    both = row_of(typed("view", VIEW, userId="u", sessionId="s"))
    session = row_of(typed("view", VIEW, sessionId="s"))
    assert (both["actor_id"], session["actor_id"], row_of(typed("view", VIEW))["actor_id"]) == ("u", "s", NEW_ID)
    assert (session["user_id"], session["platform"], session["device"], session["sequence"]) == (None, None, None, 0)


def test_an_address_is_stored_as_a_keyed_hash() -> None:
    """However it is written; another key makes another hash."""
    hashes = {row_of(typed("view", VIEW, ipAddress=text))["ip_address"] for text in ("203.0.113.7", "::ffff:cb00:7107")}
    other = Normalizer(ip_hash_key=b"other", retention_raw_days=0).prepare(
        typed("view", VIEW, ipAddress="203.0.113.7"), NOW
    )
    assert len(hashes) == 1
    assert len(min(hashes)) == 64
    assert other[12] not in hashes  # type: ignore[index] # it is a row
