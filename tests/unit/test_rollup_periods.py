"""The periods of rollups."""

from datetime import UTC, datetime, timedelta

import pytest

from storage.rollups.periods import Timeframe, hours_between, spans_of
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


def test_spans_hold_every_hour_once_and_end_at_midnight() -> None:
    """So that each is read from one partition."""
    first = datetime(2026, 1, 1, 22, tzinfo=UTC)
    hours = [first, first + HOUR, first + 2 * HOUR, first + 5 * HOUR]
    spans = list(spans_of(hours))
    assert spans == [
        (first, first + 2 * HOUR),
        (first + 2 * HOUR, first + 3 * HOUR),
        (first + 5 * HOUR, first + 6 * HOUR),
    ]
    assert [hour for span in spans for hour in hours_between(*span)] == hours
    assert list(spans_of([])) == []
