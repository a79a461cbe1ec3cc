"""The periods of summaries: UTC hours, days, weeks from Monday, months."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum

from storage.write.hours import HOUR, hour_of

DAY = timedelta(days=1)


class Timeframe(Enum):
    """The length of a summary's period; the value is what the table holds."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    def start_of(self, moment: datetime) -> datetime:
        """Find the first moment of the period that holds an aware UTC time."""
        if self is Timeframe.HOUR:
            return hour_of(moment)
        midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        if self is Timeframe.WEEK:
            return midnight - timedelta(days=midnight.weekday())
        return midnight.replace(day=1) if self is Timeframe.MONTH else midnight

    def end_of(self, start: datetime) -> datetime:
        """Find the first moment after the period that begins at `start`."""
        if self is Timeframe.HOUR:
            return start + HOUR
        if self is Timeframe.MONTH:
            return (start + timedelta(days=31)).replace(day=1)
        return start + DAY * (7 if self is Timeframe.WEEK else 1)

    def periods_of(self, moments: Iterable[datetime]) -> list[datetime]:
        """List the periods that hold any of the moments, in order."""
        return sorted({self.start_of(moment) for moment in moments})


PART_OF = {Timeframe.DAY: Timeframe.HOUR, Timeframe.WEEK: Timeframe.DAY, Timeframe.MONTH: Timeframe.DAY}
"""What a longer summary is the sum of; that of an hour is made of its events."""


def midnight_of(day: date) -> datetime:
    """Tell the first moment of a UTC day."""
    return datetime.combine(day, time(0), tzinfo=UTC)


def hours_between(start: datetime, end: datetime) -> list[datetime]:
    """List the hours of [start, end), which are whole hours."""
    return [start + number * HOUR for number in range((end - start) // HOUR)]


def spans_of(hours: Iterable[datetime]) -> Iterator[tuple[datetime, datetime]]:
    """Join ascending hours that follow each other on one day: half-open spans, each within one partition.

    Example:
        >>> hours = [datetime(2026, 1, 1, hour, tzinfo=UTC) for hour in (1, 2, 5)]
        >>> [f"{start:%H}-{end:%H}" for start, end in spans_of(hours)]
        ['01-03', '05-06']
    """
    start = end = None
    for hour in hours:
        if end != hour or hour.hour == 0:
            if start is not None and end is not None:
                yield start, end
            start = hour
        end = hour + HOUR
    if start is not None and end is not None:
        yield start, end
