"""What both clients share: the bounded queue, batches, and what follows from an answer. It does no I/O."""

import logging
import random
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import TypeVar

from sociallive.analytics.v1.track_pb2 import TrackEventsResponse
from sociallive_analytics.encoding import QueuedEvent
from sociallive_analytics.failures import Failure
from sociallive_analytics.options import Options
from sociallive_analytics.outcomes import Dropped, Rejected, Statistics

MOST_BATCH_EVENTS = 1_000
"""While a request is under way events gather; a larger batch would not make them faster."""
MOST_BATCH_BYTES = 1024 * 1024
"""A quarter of what the service takes by default."""
FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 10.0
"""A queue of 10,000 events fills quickly in a service, so it should not miss for long that the service is back."""

LOG = logging.getLogger("sociallive_analytics")
Report = TypeVar("Report")


class Delivery:
    """The events of one client between `track` and the acknowledgement.

    Not safe for threads: the client that owns it locks.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        # A full queue does not wait for a batch that it cannot hold.
        self._batch_events = min(options.batch_events, options.queue_events)
        self._waiting: deque[QueuedEvent] = deque()
        self._oldest_at = 0.0
        self._split: list[list[QueuedEvent]] = []
        self._attempt = 0
        self._pending = 0
        self._pending_bytes = 0
        self._accepted = self._acknowledged = self._rejected = self._dropped = 0

    @property
    def pending(self) -> int:
        """The number of accepted events without an outcome."""
        return self._pending

    def statistics(self) -> Statistics:
        """Count events."""
        return Statistics(self._accepted, self._acknowledged, self._rejected, self._dropped, self._pending)

    def has_room(self, event: QueuedEvent) -> bool:
        """Tell whether the queue takes this event."""
        options = self._options
        return (
            self._pending < options.queue_events and self._pending_bytes + len(event.body) <= options.queue_bytes
        ) or not self._pending

    def put(self, event: QueuedEvent) -> bool:
        """Accept an event; return whether the sender has to look: it waits for the first one, or for a full batch."""
        if not self._waiting:
            self._oldest_at = time.monotonic()
        self._waiting.append(event)
        self._accepted += 1
        self._pending += 1
        self._pending_bytes += len(event.body)
        return len(self._waiting) in {1, self._batch_events}

    def refuse(self, event: QueuedEvent) -> None:
        """Drop an event for which there is no room."""
        self._dropped += 1
        call(self._options.on_dropped, Dropped(event.event_id, event.event_type, "QUEUE_FULL"))

    def due_in(self, *, is_flushing: bool) -> float | None:
        """Return the seconds until a batch is due, 0 if one is, None if nothing waits."""
        if self._split:
            return 0.0
        if not self._waiting:
            return None
        if is_flushing or len(self._waiting) >= self._batch_events:
            return 0.0
        return max(0.0, self._oldest_at + self._options.batch_interval_s - time.monotonic())

    def take(self) -> list[QueuedEvent]:
        """Take the next batch. It stays pending until `answered` or `failed` says what became of it."""
        if self._split:
            return self._split.pop()
        batch: list[QueuedEvent] = []
        size = 0
        while self._waiting and len(batch) < MOST_BATCH_EVENTS:
            size += len(self._waiting[0].body)
            if batch and size > MOST_BATCH_BYTES:
                break
            batch.append(self._waiting.popleft())
        # The rest arrived while the last request was under way, so its own wait begins about now.
        self._oldest_at = time.monotonic()
        return batch

    def answered(self, batch: list[QueuedEvent], response: TrackEventsResponse) -> None:
        """Take the service's answer to a batch."""
        self._attempt = 0
        for rejection in response.rejections:
            event = batch[rejection.index]
            problems = tuple(f"{one.field}: {one.description}" for one in rejection.violations)
            self._reject(Rejected(event.event_id, event.event_type, rejection.reason, problems))
        self._acknowledged += len(batch) - len(response.rejections)
        self._release(batch)

    def failed(self, batch: list[QueuedEvent], failure: Failure) -> float:
        """Take a failed request, and return how many seconds to wait before the next one.

        The same events are sent again where that may succeed. A refused batch is halved until the event that it is
        refused for is alone; that one is rejected.
        """
        if failure.is_retryable:
            self._split.append(batch)
            self._attempt += 1
            if failure.is_of_credentials and self._attempt == 1:
                LOG.warning(
                    "the service does not accept the key of the analytics client (%s): %s; events stay queued",
                    failure.reason,
                    failure.message,
                )
            return wait_before_retry_s(self._attempt, failure.retry_after_s)
        self._attempt = 0
        if failure.is_splittable and len(batch) > 1:
            middle = len(batch) // 2
            self._split += (batch[middle:], batch[:middle])
            return 0.0
        for event in batch:
            self._reject(Rejected(event.event_id, event.event_type, failure.reason, (failure.message,)))
        self._release(batch)
        return 0.0

    def give_up(self, under_way: list[QueuedEvent]) -> Counter[str]:
        """Drop all that is pending, the batch under way included; return the numbers of lost events by type."""
        lost = [*under_way, *(event for batch in self._split for event in batch), *self._waiting]
        self._split.clear()
        self._waiting.clear()
        self._release(lost)
        self._dropped += len(lost)
        for event in lost:
            call(self._options.on_dropped, Dropped(event.event_id, event.event_type, "CLOSED"))
        return Counter(event.event_type for event in lost)

    def _reject(self, rejected: Rejected) -> None:
        self._rejected += 1
        call(self._options.on_rejected, rejected)

    def _release(self, events: list[QueuedEvent]) -> None:
        self._pending -= len(events)
        self._pending_bytes -= sum(len(event.body) for event in events)


def wait_before_retry_s(attempt: int, retry_after_s: float) -> float:
    """Double the wait with each attempt, counted from 1, with full jitter, after the delay that the service asks."""
    longest = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(attempt, 10))
    return retry_after_s + random.uniform(0.0, longest)  # noqa: S311 - spreads clients, hides nothing


def call(report: Callable[[Report], None] | None, value: Report) -> None:
    """Call the application's function; its errors are its own, and must not end the sender."""
    if report is not None:
        try:
            report(value)
        except Exception:
            LOG.exception("a callback of the analytics client failed")
