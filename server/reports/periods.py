"""Periods: hours, days, weeks and months of a time zone's calendar, in a row from the one that a range begins in."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from zoneinfo import ZoneInfo

from server.reports.buckets import Bucket, bucket_end, bucket_start
from server.reports.errors import QuestionError
from server.reports.scope import Scope
from sociallive.analytics.v1.report_scope_pb2 import Granularity
from sociallive.analytics.v1.retention_pb2 import WeekStart

MOST_COHORTS = 366
"""Days of a year. With as many periods each, a response takes 2 MB, half of what a gRPC client accepts."""
MOST_PERIODS = 366

DAYS_PER_WEEK = 7
MONTHS_PER_YEAR = 12


class Length(Enum):
    """The length of a period."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


LENGTHS: dict[int, Length] = {
    Granularity.GRANULARITY_UNSPECIFIED: Length.DAY,
    Granularity.GRANULARITY_HOUR: Length.HOUR,
    Granularity.GRANULARITY_DAY: Length.DAY,
    Granularity.GRANULARITY_WEEK: Length.WEEK,
    Granularity.GRANULARITY_MONTH: Length.MONTH,
}
BUCKETS = {Length.HOUR: Bucket.HOUR, Length.DAY: Bucket.DAY}
FIRST_WEEKDAYS: dict[int, int] = {
    WeekStart.WEEK_START_UNSPECIFIED: 0,
    WeekStart.WEEK_START_MONDAY: 0,
    WeekStart.WEEK_START_SUNDAY: 6,
}
"""As `date.weekday` counts."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """The periods of one length in a zone.

    Hours and days are those of a series (server.reports.buckets). Weeks and months begin at the first midnight of a
    day, or where clocks skip midnight at the first moment after it.

    Example:
        >>> Calendar(Length.DAY, ZoneInfo("America/New_York")).starts(datetime(2026, 3, 8, 12, tzinfo=UTC), 2)
        [2026-03-08T05:00Z, 2026-03-09T04:00Z]
    """

    length: Length
    zone: ZoneInfo
    first_weekday: int = 0
    """Of weeks, as `date.weekday` counts."""

    def starts(self, moment: datetime, count: int) -> list[datetime]:
        """List the first moments (UTC) of `count` periods in a row, from the one that holds `moment` on."""
        found = [self.start_of(moment)]
        while len(found) < count:
            found.append(self.following(found[-1]))
        return found

    def start_of(self, moment: datetime) -> datetime:
        """Find the first moment of the period that holds `moment`, in UTC."""
        bucket = BUCKETS.get(self.length)
        if bucket is not None:
            return bucket_start(moment, bucket, self.zone)
        return self._midnight(self._first_day(moment.astimezone(self.zone).date()))

    def following(self, start: datetime) -> datetime:
        """Find the first moment of the period after the one that begins at `start`, in UTC."""
        bucket = BUCKETS.get(self.length)
        if bucket is not None:
            return bucket_end(start, bucket, self.zone)
        return self._midnight(self._next_first_day(self._first_day(start.astimezone(self.zone).date())))

    def count(self, scope: Scope, most: int) -> int:
        """Count the periods that a range touches; `most` + 1 where there are more than `most`."""
        start, found = self.start_of(scope.start), 0
        while start < scope.end and found <= most:
            start, found = self.following(start), found + 1
        return found

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(0), tzinfo=self.zone).astimezone(UTC)

    def _first_day(self, day: date) -> date:
        if self.length is Length.MONTH:
            return day.replace(day=1)
        return day - timedelta(days=(day.weekday() - self.first_weekday) % DAYS_PER_WEEK)

    def _next_first_day(self, day: date) -> date:
        if self.length is Length.MONTH:
            year, month = divmod(day.year * MONTHS_PER_YEAR + day.month, MONTHS_PER_YEAR)
            return date(year, month + 1, 1)
        return day + timedelta(days=DAYS_PER_WEEK)


def read_calendar(granularity: int, week_start: int, zone: ZoneInfo) -> Calendar:
    """Read the periods that a question asks for; days where it does not say.

    Raises:
        QuestionError: there is no such length, or a week cannot start on that day.
    """
    if granularity not in LENGTHS:
        raise QuestionError("granularity", f"must be one of {', '.join(Granularity.keys()[1:])}")
    if week_start not in FIRST_WEEKDAYS:
        raise QuestionError("week_start", f"must be one of {', '.join(WeekStart.keys()[1:])}")
    return Calendar(LENGTHS[granularity], zone, FIRST_WEEKDAYS[week_start])


def count_cohorts(calendar: Calendar, scope: Scope) -> int:
    """Count the cohorts of a range: one for each period that it touches.

    Raises:
        QuestionError: there are too many to read.
    """
    found = calendar.count(scope, MOST_COHORTS)
    if found > MOST_COHORTS:
        raise QuestionError(
            "granularity",
            f"splits this range into more than {MOST_COHORTS} cohorts, one per {calendar.length.value}; take a longer "
            "granularity or a shorter range",
        )
    return found


def read_periods(asked: int, cohorts: int) -> int:
    """Read how many periods after their own to follow cohorts; where 0, as many as lie between the first and the last.

    Raises:
        QuestionError: it is negative, or too many.
    """
    if not 0 <= asked <= MOST_PERIODS:
        raise QuestionError("periods", f"must be in 1..{MOST_PERIODS}, or 0 for all periods of the range, not {asked}")
    return asked or max(1, cohorts - 1)
