"""Counting by UTC hour, at the cost of two comparisons a row where neighbours share an hour."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

HOUR = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Seen(NamedTuple):
    """How many events there are, and when the first and the last one happened."""

    number: int
    first_at: datetime
    last_at: datetime


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


def sum_up_by_hour(moments: Iterable[tuple[datetime, str]]) -> dict[tuple[datetime, str], Seen]:
    """Sum (UTC time, label) pairs up by (hour, label)."""
    found: dict[tuple[datetime, str], list[Any]] = {}
    hour, next_hour = _EPOCH, _EPOCH
    for moment, label in moments:
        if not hour <= moment < next_hour:
            hour = hour_of(moment)
            next_hour = hour + HOUR
        known = found.get((hour, label))
        if known is None:
            found[hour, label] = [1, moment, moment]
            continue
        known[0] += 1
        if moment < known[1]:
            known[1] = moment
        elif moment > known[2]:
            known[2] = moment
    return {key: Seen(*values) for key, values in found.items()}
