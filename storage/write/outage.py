"""An outage: whether Postgres counts as gone, known to all writers of a process."""

import time

import structlog

log = structlog.get_logger(__name__)


class Outage:
    """Begins when a write has waited in vain, and ends when Postgres has taken a write again."""

    def __init__(self) -> None:
        self._since_s: float | None = None
        self._is_full = False

    @property
    def is_on(self) -> bool:
        """Whether events go to the spool without asking Postgres first."""
        return self._since_s is not None

    def begin(self, why: str, error: str) -> None:
        """Note that Postgres takes no writes.

        Args:
            why: in words.
            error: the type of the error and its SQLSTATE.
        """
        if self._since_s is None:
            self._since_s = time.monotonic()
            log.error("spooling_started", why=why, error=error)

    def note_full(self) -> None:
        """Note, once an outage, that the spool takes no more."""
        if not self._is_full:
            self._is_full = True
            log.error("spool_full")

    def end(self) -> None:
        """Note that Postgres has taken a write."""
        if self._since_s is not None:
            log.info("spooling_ended", after_s=round(time.monotonic() - self._since_s, 1))
            self._since_s = None
            self._is_full = False
