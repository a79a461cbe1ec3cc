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
    when clocks go back, and is right in zones off the hour.
    """
    local = moment.astimezone(zone)
    if bucket is Bucket.DAY:
        return local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0).astimezone(UTC)
    fraction = timedelta(seconds=local.second, microseconds=local.microsecond)
    if bucket is Bucket.HOUR:
        fraction += timedelta(minutes=local.minute)
    return moment.astimezone(UTC) - fraction


def bucket_end(start: datetime, bucket: Bucket, zone: ZoneInfo) -> datetime:
    """Find the first moment after the period that begins at `start`, in UTC."""
    if bucket is Bucket.MINUTE:
        return start + timedelta(minutes=1)
    if bucket is Bucket.HOUR:
        return start + timedelta(hours=1)
    return (start.astimezone(zone) + timedelta(days=1)).replace(fold=0).astimezone(UTC)


def buckets_of(scope: Scope, bucket: Bucket) -> Iterator[datetime]:
    """Yield the first moment of every period that the range touches, oldest first."""
    start = bucket_start(scope.start, bucket, scope.zone)
    while start < scope.end:
        yield start
        start = bucket_end(start, bucket, scope.zone)
