"""The tally of a stream or request: what became of its events."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from events.violations import Violation

MAX_REJECTIONS = 1_000
"""Rejections told one by one in an answer; the count goes on past it, so that a bad import's answer stays small."""


@dataclass(slots=True)  # not frozen, see events.normalize.Rejected
class RejectionAt:
    """One rejected event: its place in the stream, from 0, and why."""

    index: int
    event_id: str
    reason: str
    violations: Sequence[Violation]


@dataclass(slots=True)
class Tally:
    """Counts of events; once the stream has ended, received = stored + duplicates + rejected + spooled."""

    received: int = 0
    stored: int = 0
    duplicates: int = 0
    rejected: int = 0
    spooled: int = 0
    rejections: list[RejectionAt] = field(default_factory=list)
    warnings: Counter[str] = field(default_factory=Counter)
    """What the caller should mend in events that were taken, and in how many."""

    def reject(self, index: int, event_id: str, reason: str, violations: Sequence[Violation]) -> None:
        """Count a rejection, and keep it while the list is short."""
        self.rejected += 1
        if len(self.rejections) < MAX_REJECTIONS:
            self.rejections.append(RejectionAt(index, event_id, reason, violations))
