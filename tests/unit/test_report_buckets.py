"""Buckets of a series in time zones that change their clocks."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from server.reports.buckets import Bucket, bucket_end, bucket_start, buckets_of, choose_bucket
from server.reports.scope import Scope

NEW_YORK = ZoneInfo("America/New_York")
KATHMANDU = ZoneInfo("Asia/Kathmandu")


def test_a_day_has_23_or_25_hours_where_clocks_change() -> None:
    """New York's days of March 8 and November 1, 2026."""
    for day, hours in ((datetime(2026, 3, 8, 12, tzinfo=UTC), 23), (datetime(2026, 11, 1, 12, tzinfo=UTC), 25)):
        start = bucket_start(day, Bucket.DAY, NEW_YORK)
        assert bucket_end(start, Bucket.DAY, NEW_YORK) - start == timedelta(hours=hours)


def test_hours_of_the_same_name_stay_apart() -> None:
    """1:30 happens twice in New York on November 1, and each has its own hour."""
    first, second = datetime(2026, 11, 1, 5, 30, tzinfo=UTC), datetime(2026, 11, 1, 6, 30, tzinfo=UTC)
    assert bucket_start(first, Bucket.HOUR, NEW_YORK) == first - timedelta(minutes=30)
    assert bucket_start(second, Bucket.HOUR, NEW_YORK) == second - timedelta(minutes=30)


def test_hours_begin_at_the_local_hour_in_zones_off_the_hour() -> None:
    """Kathmandu is 5:45 ahead: its hours begin at :15 UTC."""
    assert bucket_start(datetime(2026, 1, 1, 0, 20, tzinfo=UTC), Bucket.HOUR, KATHMANDU) == datetime(
        2026, 1, 1, 0, 15, tzinfo=UTC
    )


def test_buckets_cover_the_range_without_gaps() -> None:
    """Each ends where the next begins, the first holds the start, the last holds the end."""
    scope = Scope(datetime(2026, 3, 6, 7, tzinfo=UTC), datetime(2026, 3, 12, 7, tzinfo=UTC), NEW_YORK)
    starts = list(buckets_of(scope, Bucket.DAY))
    assert starts[0] <= scope.start
    assert all(bucket_end(a, Bucket.DAY, NEW_YORK) == b for a, b in pairwise(starts))
    assert bucket_end(starts[-1], Bucket.DAY, NEW_YORK) >= scope.end


@pytest.mark.parametrize(
    ("hours", "bucket"), [(2, Bucket.MINUTE), (3, Bucket.HOUR), (72, Bucket.HOUR), (73, Bucket.DAY)]
)
def test_longer_ranges_get_longer_buckets(hours: int, bucket: Bucket) -> None:
    """Two hours are shown in minutes, three days in hours, more in days."""
    end = datetime(2026, 1, 10, tzinfo=UTC)
    assert choose_bucket(Scope(end - timedelta(hours=hours), end, ZoneInfo("UTC"))) is bucket
