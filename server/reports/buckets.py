"""Buckets: the periods of a series, in a time zone."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import Enum
from zoneinfo import ZoneInfo

from server.reports.scope import Scope

MINUTES_UP_TO = timedelta(hours=2)
HOURS_UP_TO = timedelta(days=3)
"""Ranges up to these lengths are shown in minutes and hours, longer ones in days: at most 120, 72 and a few thousand
points a type."""


class Bucket(Enum):
    """The length of a series' periods; minutes and hours are absolute, days are the zone's calendar days."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


def choose_bucket(scope: Scope) -> Bucket:
    """Choose the period in which a range is shown."""
    length = scope.end - scope.start
    if length <= MINUTES_UP_TO:
        return Bucket.MINUTE
    return Bucket.HOUR if length <= HOURS_UP_TO else Bucket.DAY


def bucket_start(moment: datetime, bucket: Bucket, zone: ZoneInfo) -> datetime:
    """Find the first moment of the period that holds `moment`, in UTC.

    Minutes and hours go back by the local clock's fraction, which keeps the two hours apart that carry the same name
    when clocks go back, and is right in zones off the hour. Where clocks move by half an hour, a period begins there.
    """
    local = moment.astimezone(zone)
    if bucket is Bucket.DAY:
        return local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0).astimezone(UTC)
    start = moment.astimezone(UTC) - _past_start(local, bucket)
    return _change_between(start, moment.astimezone(UTC), zone) or start


def bucket_end(start: datetime, bucket: Bucket, zone: ZoneInfo) -> datetime:
    """Find the first moment after the period that begins at `start`, in UTC."""
    local = start.astimezone(zone)
    if bucket is Bucket.DAY:
        # A day whose midnight does not happen begins later; the next one does not.
        return (local + timedelta(days=1)).replace(hour=0, minute=0, fold=0).astimezone(UTC)
    length = timedelta(minutes=1) if bucket is Bucket.MINUTE else timedelta(hours=1)
    end = start.astimezone(UTC) + length - _past_start(local, bucket)
    return _change_between(start.astimezone(UTC), end, zone) or end


def _past_start(local: datetime, bucket: Bucket) -> timedelta:
    """Return how long a local clock has shown the name of a minute or hour."""
    fraction = timedelta(seconds=local.second, microseconds=local.microsecond)
    return fraction if bucket is Bucket.MINUTE else fraction + timedelta(minutes=local.minute)


def _change_between(start: datetime, end: datetime, zone: ZoneInfo) -> datetime | None:
    """Find the moment in (start, end] at which the zone's clocks move, to the second; None where they do not."""
    old = start.astimezone(zone).utcoffset()
    if end.astimezone(zone).utcoffset() == old:
        return None
    low, high = 0, (end - start) // timedelta(seconds=1)
    while high - low > 1:
        middle = (low + high) // 2
        if (start + timedelta(seconds=middle)).astimezone(zone).utcoffset() == old:
            low = middle
        else:
            high = middle
    return start + timedelta(seconds=high)


def buckets_of(scope: Scope, bucket: Bucket) -> Iterator[datetime]:
    """Yield the first moment of every period that the range touches, oldest first."""
    start = bucket_start(scope.start, bucket, scope.zone)
    while start < scope.end:
        yield start
        start = bucket_end(start, bucket, scope.zone)
