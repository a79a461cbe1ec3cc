"""The options that tell a report's range."""

from datetime import UTC, datetime

import click
import pytest

from cli.scope import read_scope


def test_dates_are_midnight_in_the_zone() -> None:
    """A day begins where the reader lives."""
    scope = read_scope("", "2024-03-31", "2024-04-01T12:00", "Europe/Berlin")
    assert scope.start_time is not None
    assert scope.end_time is not None
    assert scope.start_time.ToDatetime(UTC) == datetime(2024, 3, 30, 23, tzinfo=UTC)
    assert scope.end_time.ToDatetime(UTC) == datetime(2024, 4, 1, 10, tzinfo=UTC)
    assert scope.time_zone == "Europe/Berlin"


def test_offsets_are_kept() -> None:
    """A time that tells its offset is not of the zone."""
    scope = read_scope("", "2024-01-01T00:00:00Z", "", "Asia/Tokyo")
    assert scope.start_time is not None
    assert scope.start_time.ToDatetime(UTC) == datetime(2024, 1, 1, tzinfo=UTC)


def test_nothing_given_is_left_to_the_service() -> None:
    """Defaults are the service's own."""
    scope = read_scope("", "", "", "")
    assert scope.fields() == {"timeframe": "", "start_time": None, "end_time": None, "time_zone": ""}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("7d", "2024-01-01", "", ""), "--timeframe and --from"),
        (("", "yesterday", "", ""), "must be an ISO 8601 date or time"),
        (("", "", "2024-13-01", ""), "must be an ISO 8601 date or time"),
        (("", "", "", "Mars/Olympus"), "must be an IANA name"),
        (("", "", "", "/etc/passwd"), "must be an IANA name"),
    ],
)
def test_mistakes_are_told(options: tuple[str, str, str, str], told: str) -> None:
    """What the service cannot see is checked here."""
    with pytest.raises(click.UsageError, match=told):
        read_scope(*options)
