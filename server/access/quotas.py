"""Quotas of a key in one process: events per second, events per day, reports at once."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from server.access.errors import QuotaExceededError
from storage.keys.table import StoredKey

BURST_S = 2.0
"""A key that was idle may send the events of so many seconds at once."""
REPORT_RETRY_S = 1.0
"""Reports take about as long."""


class Quota:
    """What a key has used of its quotas.

    A message is admitted while some of the quota is left, and may overdraw it: its size is known only when it is
    parsed, and refused messages should not be. The debt is paid before the next message is admitted, so the mean rate
    holds, whatever the size of messages.

    Args of the constructor:
        key: has the quotas; `update` follows its changes.
        clock: seconds of a clock that never goes back.
        now: the current UTC time.
    """

    def __init__(
        self,
        key: StoredKey,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._clock, self._now = clock, now
        self._key = key
        self._left = BURST_S * key.events_per_second
        self._left_at = clock()
        self._day = now().date()
        self._used_today = key.used_events
        self._unwritten = 0
        self._reports = 0

    def update(self, key: StoredKey) -> None:
        """Take over the key as it was read from the database just now, with what all processes wrote into it."""
        self._key = key
        self._used_today = key.used_events + self._unwritten

    def take_unwritten(self) -> int:
        """Return the events taken since the last call, for the database to add up."""
        taken, self._unwritten = self._unwritten, 0
        return taken

    def put_back(self, events: int) -> None:
        """Take back what could not be written."""
        self._unwritten += events

    def check(self) -> None:
        """Refuse a message if a quota of events is used up.

        Raises:
            QuotaExceededError: it is.
        """
        key = self._key
        if key.events_per_second:
            self._refill()
            if self._left <= 0:
                raise self._exceeded(
                    "events_per_second",
                    f"the key may send {key.events_per_second:,} events per second: send them again after the delay",
                    (1 - self._left) / key.events_per_second,
                )
        if key.daily_events:
            self._turn_day()
            if self._used_today >= key.daily_events:
                raise self._exceeded(
                    "daily_events",
                    f"the key may send {key.daily_events:,} events per UTC day: send the same again tomorrow",
                    self._seconds_of_day_left(),
                )

    def take(self, events: int) -> None:
        """Count the events of a message that was admitted."""
        self._left -= events
        self._turn_day()
        self._used_today += events
        self._unwritten += events

    @contextmanager
    def report(self) -> Iterator[None]:
        """Occupy one of the places for reports.

        Raises:
            QuotaExceededError: all are taken.
        """
        most = self._key.concurrent_reports
        if most and self._reports >= most:
            raise self._exceeded(
                "concurrent_reports",
                f"the key may run {most:,} reports at once: send the same again after the delay",
                REPORT_RETRY_S,
            )
        self._reports += 1
        try:
            yield
        finally:
            self._reports -= 1

    def _refill(self) -> None:
        now = self._clock()
        rate = self._key.events_per_second
        self._left = min(BURST_S * rate, self._left + rate * (now - self._left_at))
        self._left_at = now

    def _turn_day(self) -> None:
        today = self._now().date()
        if today != self._day:
            self._day, self._used_today = today, 0

    def _seconds_of_day_left(self) -> float:
        now = self._now()
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return (midnight - now).total_seconds()

    def _exceeded(self, quota: str, message: str, retry_after_s: float) -> QuotaExceededError:
        return QuotaExceededError(f"key:{self._key.id}", quota, message, retry_after_s=retry_after_s)
