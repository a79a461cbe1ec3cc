"""Cron lines, in UTC."""

from datetime import UTC, datetime, timedelta

from apscheduler.triggers.cron import CronTrigger

from runtime.settings import SettingsError

OFF = "off"
NAMES = ("second", "minute", "hour", "day", "month", "day_of_week")


class Cron:
    """When a job is due: five cron fields, six with seconds in front, or "off".

    Weekdays have names (mon-fri): numbers mean one thing to cron and another to the library that reads them.

    Example:
        >>> Cron("20 3 * * *").next_after(datetime(2026, 1, 31, 3, 20, tzinfo=UTC)).isoformat()
        '2026-02-01T03:20:00+00:00'
    """

    def __init__(self, line: str, variable: str) -> None:
        """Read a line.

        Args:
            line: as above.
            variable: where it comes from, for the error.

        Raises:
            SettingsError: it makes no sense.
        """
        self.line = line
        self._trigger: CronTrigger | None = None
        if line == OFF:
            return
        fields = line.split()
        fields = ["0", *fields] if len(fields) < len(NAMES) else fields
        try:
            if any(character.isdigit() for character in fields[-1]):
                raise ValueError("weekdays are written by name, as in mon-fri")  # noqa: TRY301 - told like the library's
            self._trigger = CronTrigger(**dict(zip(NAMES, fields, strict=True)), timezone=UTC)
        except ValueError as exc:
            raise SettingsError(f"cannot use {variable}={line!r}: {exc}") from exc

    def next_after(self, moment: datetime) -> datetime | None:
        """Tell the first time after an aware moment; None where there is none."""
        if self._trigger is None:
            return None
        due: datetime | None = self._trigger.get_next_fire_time(None, moment + timedelta(microseconds=1))
        return due
