"""The scope of a report: a half-open time range in a time zone."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo

from google.protobuf.timestamp_pb2 import Timestamp

from server.reports.errors import QuestionError
from sociallive.analytics.v1.report_scope_pb2 import ReportInfo

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
"""No event lies outside; a range that does is a mistake in units or in the sign."""
MOST_OF_UNIT = {"h": 24 * 366, "d": 3660, "w": 522, "mo": 120}
"""Ten years of each unit, and one of hours: longer ones are asked with start_time."""
LONGEST_REPORT = timedelta(days=3660)
"""Ten years, for all reports but the event list, which is paged. A longer range is a mistake: it would make a
series of more days than a response holds."""
TIMEFRAME = re.compile(r"([0-9]{1,18})(h|d|w|mo)")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ScopedRequest(Protocol):
    """What every report request has at its top level."""

    timeframe: str
    time_zone: str

    @property
    def start_time(self) -> Timestamp: ...  # noqa: D102 - described in the .proto file
    @property
    def end_time(self) -> Timestamp: ...  # noqa: D102 - described in the .proto file
    def HasField(self, field_name: str, /) -> bool: ...  # noqa: N802, D102 - protobuf's own


@dataclass(frozen=True, slots=True)
class Scope:
    """A half-open range [start, end) of UTC times, and the zone that days are reckoned in."""

    start: datetime
    end: datetime
    zone: ZoneInfo

    @property
    def previous_start(self) -> datetime:
        """The start of the range of the same length just before this one."""
        return self.start - (self.end - self.start)

    def describe(self, as_of: datetime | None, definition: str) -> ReportInfo:
        """Write the scope and meaning that every response repeats."""
        info = ReportInfo(
            start_time=to_timestamp(self.start),
            end_time=to_timestamp(self.end),
            time_zone=self.zone.key,
            definition=definition,
        )
        if as_of is not None:
            info.as_of.CopyFrom(to_timestamp(as_of))
        return info


def read_scope(
    request: ScopedRequest, *, now: datetime, default_timeframe: str, longest: timedelta | None = None
) -> Scope:
    """Read a request's scope.

    Args:
        request: any report request.
        now: the current time, aware.
        default_timeframe: the range of a request that has none.
        longest: the longest range that is answered; None for any.

    Raises:
        QuestionError: the range is given twice, reversed, empty or out of bounds, or a value cannot be parsed.
    """
    zone = _zone(request.time_zone)
    end = _time("end_time", request.end_time) if request.HasField("end_time") else now.astimezone(UTC)
    if request.HasField("start_time"):
        if request.timeframe:
            raise QuestionError("timeframe", "give either timeframe or start_time, not both")
        start = _time("start_time", request.start_time)
    else:
        start = _before(end, request.timeframe or default_timeframe, zone)
    if start >= end:
        raise QuestionError(
            "start_time", f"must be before end_time: {start.isoformat()} is not before {end.isoformat()}"
        )
    if longest is not None and end - start > longest:
        raise QuestionError("start_time", f"must be at most {longest.days} days before end_time")
    return Scope(start, end, zone)


def to_timestamp(moment: datetime) -> Timestamp:
    """Write an aware time as a protobuf Timestamp, exact to the microsecond."""
    micros = (moment - EPOCH) // timedelta(microseconds=1)
    return Timestamp(seconds=micros // 1_000_000, nanos=micros % 1_000_000 * 1000)


def from_timestamp(stamp: Timestamp) -> datetime:
    """Read a protobuf Timestamp as a UTC time, cut to microseconds.

    Raises:
        OverflowError: it lies outside the years 1 to 9999.
    """
    return EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)


def _time(field: str, stamp: Timestamp) -> datetime:
    try:
        moment = from_timestamp(stamp)
    except OverflowError:
        moment = None
    if moment is None or not EARLIEST <= moment <= LATEST:
        raise QuestionError(field, f"must be between {EARLIEST.date()} and {LATEST.date()}")
    return moment


def _before(end: datetime, timeframe: str, zone: ZoneInfo) -> datetime:
    """Go back from `end`: hours by the clock, days, weeks and months by the zone's calendar."""
    match = TIMEFRAME.fullmatch(timeframe)
    if match is None:
        raise QuestionError(
            "timeframe",
            f'must be a number and h, d, w or mo (months), for example "24h" or "12mo", not {timeframe[:40]!r}',
        )
    amount, unit = int(match[1]), match[2]
    if not 1 <= amount <= MOST_OF_UNIT[unit]:
        raise QuestionError(
            "timeframe",
            f"is out of range: must be 1{unit} to {MOST_OF_UNIT[unit]}{unit}; use start_time for longer ranges",
        )
    if unit == "h":
        return max(EARLIEST, end - timedelta(hours=amount))
    local = end.astimezone(zone)
    if unit == "mo":
        months = local.year * 12 + local.month - 1 - amount
        year, month = divmod(months, 12)
        start = local.replace(year=year, month=month + 1, day=min(local.day, _days_in(year, month + 1)))
    else:
        start = local - timedelta(days=amount * (7 if unit == "w" else 1))
    return max(EARLIEST, start.astimezone(UTC))


def _days_in(year: int, month: int) -> int:
    following = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    return (following - timedelta(days=1)).day


def _zone(name: str) -> ZoneInfo:
    if not name:
        return _load_zone("UTC")
    try:
        return _load_zone(name)
    except (ValueError, OSError, KeyError):
        raise QuestionError(
            "time_zone", f'must be an IANA time zone, as in "Europe/Berlin", not {name[:40]!r}'
        ) from None


@lru_cache(maxsize=64)
def _load_zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
