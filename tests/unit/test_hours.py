"""Counting by hour."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis.strategies import datetimes, just, lists, sampled_from, tuples

from storage.write.hours import count_by_hour, hour_of

MOMENTS = lists(
    tuples(
        datetimes(datetime(2026, 1, 1), datetime(2026, 1, 1, 3), timezones=just(UTC)),  # noqa: DTZ001 - the zone is given beside
        sampled_from(("view", "purchase")),
    )
)


@given(MOMENTS)
def test_events_are_counted_by_hour_and_label(moments: list[tuple[datetime, str]]) -> None:
    """In any order, each hour and label for itself."""
    assert count_by_hour(moments) == Counter((hour_of(moment), label) for moment, label in moments)


def test_an_hour_ends_before_the_next_one() -> None:
    """To the microsecond."""
    hour = datetime(2026, 1, 1, tzinfo=UTC)
    last = hour + timedelta(minutes=60, microseconds=-1)
    found = count_by_hour([(last, "view"), (hour + timedelta(hours=1), "view"), (hour, "view")])
    assert found == {(hour, "view"): 2, (hour + timedelta(hours=1), "view"): 1}
