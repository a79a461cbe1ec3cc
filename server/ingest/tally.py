"""The tally of a stream or request: the results of its events."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from events.normalize import Rejected
from events.violations import TOO_MANY_VIOLATIONS, Violation

MAX_REJECTION_BYTES = 3 * 1024 * 1024
"""Of the rejections in a response. Clients of gRPC take 4 MiB by default, and throw a larger answer away."""
MAX_ASSIGNED_IDS = 16_000
"""The most ids in a response: 48 bytes each with its place, so that they fit beside the rejections."""
REJECTION_BYTES = 112
"""The most bytes of a rejection besides its violations: place, id, reason, lengths."""
VIOLATION_BYTES = 8
"""The bytes of a violation besides its strings."""
MORE_VIOLATIONS = Violation(
    "", TOO_MANY_VIOLATIONS, "there are more violations than fit into the response; correct these first"
)
MORE_BYTES = VIOLATION_BYTES + sum(len(text) for text in MORE_VIOLATIONS)


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
    """The warnings for accepted events, each with the number of events."""
    assigned_ids: list[tuple[int, str]] = field(default_factory=list)
    """Places and ids of accepted events that were sent without an id."""
    room_bytes: int = MAX_REJECTION_BYTES
    """What is left for further rejections."""

    def reject(self, index: int, event_id: str, rejected: Rejected, *, most_bytes: int) -> None:
        """Count a rejection, and keep it while there is room.

        Args:
            index: the event's place.
            event_id: the id that the event claims.
            rejected: why.
            most_bytes: how much room it may take: its share of MAX_REJECTION_BYTES among the events of its message.
                So every rejection of a single message is kept.
        """
        self.rejected += 1
        if self.room_bytes <= 0:
            return
        violations, size_bytes = fitting(rejected.violations, most_bytes - REJECTION_BYTES)
        self.room_bytes -= REJECTION_BYTES + size_bytes
        if self.room_bytes >= 0:
            self.rejections.append(RejectionAt(index, event_id, rejected.reason, violations))

    def assign(self, index: int, event_id: str) -> None:
        """Keep the id that an event was given, while there is room."""
        if len(self.assigned_ids) < MAX_ASSIGNED_IDS:
            self.assigned_ids.append((index, event_id))


def fitting(violations: Sequence[Violation], room_bytes: int) -> tuple[Sequence[Violation], int]:
    """Select the violations that fit, and return their size; if some are left out, a last one says so."""
    sizes_bytes = [VIOLATION_BYTES + sum(len(text.encode()) for text in violation) for violation in violations]
    if sum(sizes_bytes) <= room_bytes:
        return violations, sum(sizes_bytes)
    used_bytes, kept = MORE_BYTES, 0
    while used_bytes + sizes_bytes[kept] <= room_bytes:
        used_bytes += sizes_bytes[kept]
        kept += 1
    return [*violations[:kept], MORE_VIOLATIONS], used_bytes
