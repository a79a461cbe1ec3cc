"""Cron lines, in UTC."""

from datetime import UTC, datetime, timedelta
from typing import Any

OFF = "off"
NAMES = ("second", "minute", "hour", "day", "month", "day_of_week")


class Cron:
    """When a job is due: five cron fields, six with seconds in front, or "off".

    Weekdays have names (mon-fri): numbers mean one thing to cron and another to the library that reads them.

    Example:
        >>> Cron("20 3 * * *").next_after(datetime(2026, 1, 31, 3, 20, tzinfo=UTC)).isoformat()
        '2026-02-01T03:20:00+00:00'
    """

    def __init__(self, line: str) -> None:
        """Read a line.

        Raises:
            ValueError: it makes no sense.
        """
        self.line = line
        self._trigger: Any = None
        if line == OFF:
            return
        fields = line.split()
        if len(fields) not in {len(NAMES) - 1, len(NAMES)}:
            raise ValueError(f"it has {len(fields)} fields")
        fields = ["0", *fields] if len(fields) < len(NAMES) else fields
        if any(character.isdigit() for character in fields[-1]):
            raise ValueError("weekdays are written by name, as in mon-fri")
        # Here, since it takes longer to import than all else that a command needs which runs nothing by the clock.
        from apscheduler.triggers.cron import CronTrigger  # noqa: PLC0415

        self._trigger = CronTrigger(**dict(zip(NAMES, fields, strict=True)), timezone=UTC)

    def next_after(self, moment: datetime) -> datetime | None:
        """Tell the first time after an aware moment; None where there is none."""
        if self._trigger is None:
            return None
        due: datetime | None = self._trigger.get_next_fire_time(None, moment + timedelta(microseconds=1))
        return due
