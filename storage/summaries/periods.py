"""The periods of summaries: UTC hours, days, weeks from Monday, months."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import Enum
from typing import NamedTuple, TypeAlias

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


PeriodRange: TypeAlias = tuple[Timeframe, datetime, datetime]
"""Periods of one timeframe that follow each other: the first moment of the first, and the first after the last."""


class Span(NamedTuple):
    """A half-open range of time."""

    start: datetime
    end: datetime


class Period(NamedTuple):
    """A period that has a summary, or would if anything had happened in it."""

    timeframe: Timeframe
    start: datetime

    @property
    def end(self) -> datetime:
        """The first moment after it."""
        return self.timeframe.end_of(self.start)


PART_OF = {Timeframe.DAY: Timeframe.HOUR, Timeframe.WEEK: Timeframe.DAY, Timeframe.MONTH: Timeframe.DAY}
"""What a longer summary is the sum of; that of an hour is made of its events."""


def hours_between(start: datetime, end: datetime) -> list[datetime]:
    """List the hours of [start, end), which are whole hours."""
    return [start + number * HOUR for number in range((end - start) // HOUR)]
