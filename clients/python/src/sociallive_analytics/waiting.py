"""Tracking one event and waiting for its outcome, in steps that threads and tasks share."""

import time

from sociallive.analytics.v1.track_pb2 import EventStatus as WireStatus
from sociallive.analytics.v1.track_pb2 import TrackResponse
from sociallive_analytics.delivery import wait_before_retry_s
from sociallive_analytics.encoding import QueuedEvent
from sociallive_analytics.errors import NotStoredError, RejectedError
from sociallive_analytics.failures import Failure
from sociallive_analytics.outcomes import EventStatus, Stored


class Waiting:
    """One event that is tracked with `wait=True`, until `timeout_s` have passed."""

    def __init__(self, event: QueuedEvent, timeout_s: float) -> None:
        self.event = event
        self._deadline = time.monotonic() + timeout_s
        self._timeout_s = timeout_s
        self._attempt = 0

    def remaining_s(self) -> float:
        """Return the time that is left."""
        return max(0.0, self._deadline - time.monotonic())

    def answered(self, response: TrackResponse) -> Stored:
        """Read the answer."""
        status = EventStatus(WireStatus.Name(response.status).removeprefix("EVENT_STATUS_"))
        return Stored(response.event_id, status, tuple(response.warnings))

    def failed(self, failure: Failure) -> float:
        """Return how many seconds to wait before the next attempt.

        Raises:
            RejectedError: the service refused the event.
            NotStoredError: the next attempt would begin too late.
        """
        event_id = self.event.event_id
        if not failure.is_retryable:
            raise RejectedError(event_id, failure.reason, failure.message)
        self._attempt += 1
        wait_s = wait_before_retry_s(self._attempt, failure.retry_after_s)
        if wait_s >= self.remaining_s():
            raise NotStoredError(
                event_id, f"not acknowledged within {self._timeout_s:g} s: {failure.message} ({failure.reason})"
            )
        return wait_s
