"""Reading a report's scope: ranges, time zones and what is refused."""

from datetime import UTC, datetime

import pytest

from server.reports.errors import QuestionError
from server.reports.scope import Scope, from_timestamp, read_scope, to_timestamp
from sociallive.analytics.v1.dashboard_pb2 import GetDashboardRequest

NOW = datetime(2026, 3, 30, 12, 30, tzinfo=UTC)


def read(**fields: object) -> Scope:
    """Read the scope of a dashboard request at NOW."""
    return read_scope(GetDashboardRequest(**fields), now=NOW, default_timeframe="7d")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("timeframe", "zone", "start"),
    [
        ("", "", datetime(2026, 3, 23, 12, 30, tzinfo=UTC)),
        ("24h", "", datetime(2026, 3, 29, 12, 30, tzinfo=UTC)),
        ("2w", "", datetime(2026, 3, 16, 12, 30, tzinfo=UTC)),
        ("1mo", "", datetime(2026, 2, 28, 12, 30, tzinfo=UTC)),
        ("12mo", "", datetime(2025, 3, 30, 12, 30, tzinfo=UTC)),
        ("2d", "Europe/Berlin", datetime(2026, 3, 28, 13, 30, tzinfo=UTC)),
        ("48h", "Europe/Berlin", datetime(2026, 3, 28, 12, 30, tzinfo=UTC)),
    ],
)
def test_a_timeframe_ends_now_and_counts_days_by_the_calendar(timeframe: str, zone: str, start: datetime) -> None:
    """Hours are hours; two days over Berlin's spring forward are 47 hours; a month ends on its last day at most."""
    scope = read(timeframe=timeframe, time_zone=zone)
    assert (scope.start, scope.end) == (start, NOW)


def test_start_and_end_are_taken_as_they_are() -> None:
    """Explicit times win over the default timeframe, and a missing end is now."""
    start, end = datetime(1997, 1, 1, tzinfo=UTC), datetime(1998, 7, 1, tzinfo=UTC)
    assert read(start_time=to_timestamp(start), end_time=to_timestamp(end)).end == end
    assert read(start_time=to_timestamp(start)).end == NOW


def test_the_previous_range_has_the_same_length() -> None:
    """It ends where the range starts."""
    scope = read(timeframe="24h")
    assert scope.start - scope.previous_start == scope.end - scope.start


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"timeframe": "7"}, "timeframe"),
        ({"timeframe": "0d"}, "timeframe"),
        ({"timeframe": "-1d"}, "timeframe"),
        ({"timeframe": "7 d"}, "timeframe"),
        ({"timeframe": "99999d"}, "timeframe"),
        ({"timeframe": "\u0661d"}, "timeframe"),
        ({"timeframe": "7d", "start_time": to_timestamp(datetime(2026, 1, 1, tzinfo=UTC))}, "timeframe"),
        ({"start_time": to_timestamp(NOW)}, "start_time"),
        ({"start_time": to_timestamp(datetime(1969, 1, 1, tzinfo=UTC))}, "start_time"),
        ({"end_time": to_timestamp(datetime(2999, 1, 1, tzinfo=UTC))}, "end_time"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"time_zone": "../etc/passwd"}, "time_zone"),
    ],
)
def test_a_wrong_scope_names_its_field(fields: dict[str, object], field: str) -> None:
    """Every mistake says which field and what is allowed."""
    with pytest.raises(QuestionError) as caught:
        read(**fields)
    assert caught.value.field == field


@pytest.mark.parametrize("timeframe", ["0d", "000d", "99999d", "999999999999d"])
def test_a_length_out_of_range_is_told_as_one(timeframe: str) -> None:
    """Its form is right, so the message tells the bounds and not the form."""
    with pytest.raises(QuestionError, match="is out of range: must be 1d to 3660d"):
        read(timeframe=timeframe)


def test_timestamps_keep_their_microseconds() -> None:
    """A time before 1970 and one with microseconds come back as they were."""
    for moment in (
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    ):
        assert from_timestamp(to_timestamp(moment)) == moment
