"""Counting by UTC hour, at the cost of two comparisons a row where neighbours share an hour."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

HOUR = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def hour_of(moment: datetime) -> datetime:
    """Find the UTC hour that holds an aware UTC time."""
    return moment.replace(minute=0, second=0, microsecond=0)


def count_by_hour(moments: Iterable[tuple[datetime, str]]) -> Counter[tuple[datetime, str]]:
    """Count (UTC time, label) pairs by (hour, label)."""
    counts: Counter[tuple[datetime, str]] = Counter()
    hour, next_hour = _EPOCH, _EPOCH
    for moment, label in moments:
        if not hour <= moment < next_hour:
            hour = hour_of(moment)
            next_hour = hour + HOUR
        counts[hour, label] += 1
    return counts
