"""Summing up by hour."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis.strategies import datetimes, just, lists, sampled_from, tuples

from storage.write.hours import Seen, count_by_hour, hour_of, sum_up_by_hour

MOMENTS = lists(
    tuples(
        datetimes(datetime(2026, 1, 1), datetime(2026, 1, 1, 3), timezones=just(UTC)),  # noqa: DTZ001 - the zone is given beside
        sampled_from(("view", "purchase")),
    )
)


@given(MOMENTS)
def test_sums_tell_how_many_and_between_which_times(moments: list[tuple[datetime, str]]) -> None:
    """In any order, each hour and label for itself."""
    expected = {}
    for key in {(hour_of(moment), label) for moment, label in moments}:
        times = [moment for moment, label in moments if (hour_of(moment), label) == key]
        expected[key] = Seen(len(times), min(times), max(times))
    assert sum_up_by_hour(moments) == expected
    assert count_by_hour(moments) == Counter({key: seen.number for key, seen in expected.items()})


def test_an_hour_ends_before_the_next_one() -> None:
    """To the microsecond."""
    hour = datetime(2026, 1, 1, tzinfo=UTC)
    last = hour + timedelta(minutes=60, microseconds=-1)
    found = sum_up_by_hour([(last, "view"), (hour + timedelta(hours=1), "view"), (hour, "view")])
    assert found == {
        (hour, "view"): Seen(2, hour, last),
        (hour + timedelta(hours=1), "view"): Seen(1, hour + timedelta(hours=1), hour + timedelta(hours=1)),
    }
