"""Periods of retention and cohorts: a calendar without gaps in any zone, that agrees with the series."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from server.reports.buckets import Bucket, buckets_of
from server.reports.periods import Calendar, Length
from server.reports.scope import Scope

ZONES = ["UTC", "America/New_York", "Africa/Cairo", "Australia/Lord_Howe", "Asia/Kathmandu"]
START = datetime(2026, 3, 6, 7, 20, tzinfo=UTC)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("length", Length)
def test_every_moment_is_in_the_period_that_begins_last_before_it(length: Length, zone: str) -> None:
    """Through two months with all their changes of clocks; each period is found from any moment in it."""
    calendar = Calendar(length, ZoneInfo(zone))
    starts = calendar.starts(START, 1500 if length is Length.HOUR else 60)
    assert starts[0] <= START < starts[1]
    assert starts == sorted(set(starts))
    for start, following in pairwise(starts):
        assert calendar.start_of(start) == start
        assert calendar.start_of(following - timedelta(microseconds=1)) == start


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(("length", "bucket"), [(Length.HOUR, Bucket.HOUR), (Length.DAY, Bucket.DAY)])
def test_hours_and_days_are_those_of_the_dashboard(length: Length, bucket: Bucket, zone: str) -> None:
    """Also where clocks move by half an hour, as at Lord Howe on April 5."""
    scope = Scope(START, START + timedelta(days=60), ZoneInfo(zone))
    series = list(buckets_of(scope, bucket))
    assert Calendar(length, scope.zone).starts(START, len(series)) == series


@pytest.mark.parametrize(
    ("first_weekday", "expected"), [(0, datetime(2026, 3, 2, tzinfo=UTC)), (6, datetime(2026, 3, 1, tzinfo=UTC))]
)
def test_weeks_begin_on_the_day_that_is_asked_for(first_weekday: int, expected: datetime) -> None:
    """Monday or Sunday before a Friday."""
    assert Calendar(Length.WEEK, ZoneInfo("UTC"), first_weekday).start_of(START) == expected


def test_months_are_those_of_the_calendar() -> None:
    """From one year into the next."""
    starts = Calendar(Length.MONTH, ZoneInfo("UTC")).starts(datetime(2026, 11, 30, tzinfo=UTC), 4)
    assert [f"{start:%Y-%m-%d}" for start in starts] == ["2026-11-01", "2026-12-01", "2027-01-01", "2027-02-01"]
