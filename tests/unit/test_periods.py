"""The periods of summaries."""

from datetime import UTC, datetime, timedelta

import pytest

from storage.summaries.periods import Period, Timeframe, hours_between
from storage.write.hours import HOUR


@pytest.mark.parametrize(
    ("timeframe", "moment", "start", "end"),
    [
        (Timeframe.HOUR, "2026-12-31T23:59:59.999999", "2026-12-31T23:00", "2027-01-01T00:00"),
        (Timeframe.DAY, "2024-02-29T00:00", "2024-02-29T00:00", "2024-03-01T00:00"),
        (Timeframe.WEEK, "2027-01-01T12:00", "2026-12-28T00:00", "2027-01-04T00:00"),
        (Timeframe.WEEK, "2026-12-28T00:00", "2026-12-28T00:00", "2027-01-04T00:00"),
        (Timeframe.MONTH, "2024-02-29T23:59", "2024-02-01T00:00", "2024-03-01T00:00"),
        (Timeframe.MONTH, "2026-12-31T23:59", "2026-12-01T00:00", "2027-01-01T00:00"),
    ],
)
def test_a_period_holds_its_first_moment_and_not_its_end(
    timeframe: Timeframe, moment: str, start: str, end: str
) -> None:
    """At the ends of hours, days, weeks, months and years."""
    found = timeframe.start_of(datetime.fromisoformat(moment).replace(tzinfo=UTC))
    assert found == datetime.fromisoformat(start).replace(tzinfo=UTC)
    assert timeframe.end_of(found) == datetime.fromisoformat(end).replace(tzinfo=UTC)
    assert timeframe.start_of(timeframe.end_of(found) - timedelta(microseconds=1)) == found


def test_hours_between_are_whole_and_half_open() -> None:
    """In order."""
    first = datetime(2026, 1, 1, 22, tzinfo=UTC)
    assert hours_between(first, first + 3 * HOUR) == [first, first + HOUR, first + 2 * HOUR]
    assert hours_between(first, first) == []


def test_a_period_knows_its_end() -> None:
    """Of any length."""
    assert Period(Timeframe.MONTH, datetime(2026, 2, 1, tzinfo=UTC)).end == datetime(2026, 3, 1, tzinfo=UTC)
