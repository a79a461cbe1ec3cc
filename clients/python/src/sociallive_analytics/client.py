"""The client for threads: a daemon thread sends what `track` queues."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Literal, Self, Unpack, overload

import grpc

from sociallive_analytics import process
from sociallive_analytics.catalogue import TypedEvents
from sociallive_analytics.context import Envelope, EnvelopeContext
from sociallive_analytics.delivery import Delivery
from sociallive_analytics.encoding import EventEncoder, QueuedEvent, write_request
from sociallive_analytics.failures import Failure, read_failure
from sociallive_analytics.options import Options, default_address
from sociallive_analytics.outcomes import Statistics, Stored
from sociallive_analytics.transport import Calls, open_calls
from sociallive_analytics.waiting import Waiting

LOG = logging.getLogger("sociallive_analytics")
CLOSE_TIMEOUT_S = 10.0
FORK_WAIT_S = 0.5
"""The longest that a fork waits for a call that is under way; most take milliseconds."""
WAIT_TIMEOUT_S = 30.0
CLOSED = Failure("CLOSED", "the channel is closed", is_retryable=True, retry_after_s=0.0, is_splittable=False)
_of_parents: list[Calls] = []
"""Channels of the process that this one was forked from. They are kept, because closing one would need its threads."""


class Analytics(TypedEvents[str | None]):
    """Queues events and sends them in batches. Any number of threads may use one client.

    An event that `track` accepts is sent until the service acknowledges or refuses it. Only the end of the process,
    `close`, or a full queue can lose one, and these are counted and reported.

    Example:
        >>> analytics = Analytics("127.0.0.1:50051")
        >>> with analytics.context(user_id="user-1", session_id="session-1"):
        ...     event_id = analytics.track_engagement(action="like", target_type="post", target_id="post-123")
    """

    def __init__(
        self,
        address: str | None = None,
        options: Options | None = None,
        *,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        """Make a client. It opens no connection and starts no thread before the first event.

        Args:
            address: of the service's gRPC port, HOST:PORT; the variable ANALYTICS_ADDRESS, or 127.0.0.1:50051.
            options: what differs from the defaults.
            credentials: for TLS, as of `grpc.ssl_channel_credentials()`; without them, the connection is plain.
        """
        self._address = address or default_address()
        self._options = options or Options()
        self._credentials = credentials
        self._encoder = EventEncoder(self._options.default_currency, self._options.platform)
        self.context = EnvelopeContext()
        """`with analytics.context(user_id=...)` adds to the envelope of the events inside."""
        self._start_afresh()
        process.watch(self)

    def _start_afresh(self) -> None:
        self._changed = threading.Condition()
        self._calling = threading.Lock()
        self._held_for_fork = False
        self._delivery = Delivery(self._options)
        self._under_way: list[QueuedEvent] = []
        self._calls: Calls | None = None
        self._thread: threading.Thread | None = None
        self._flushing = 0
        self._closing = False
        self._stopped = False

    @overload
    def track(
        self,
        event_type: str,
        data: Mapping[str, Any],
        *,
        wait: Literal[False] = False,
        timeout_s: float = ...,
        **envelope: Unpack[Envelope],
    ) -> str | None: ...

    @overload
    def track(
        self,
        event_type: str,
        data: Mapping[str, Any],
        *,
        wait: Literal[True],
        timeout_s: float = ...,
        **envelope: Unpack[Envelope],
    ) -> Stored: ...

    def track(
        self,
        event_type: str,
        data: Mapping[str, Any],
        *,
        wait: bool = False,
        timeout_s: float = WAIT_TIMEOUT_S,
        **envelope: Unpack[Envelope],
    ) -> str | Stored | None:
        """Track an event.

        Args:
            event_type: for example "view".
            data: its fields, by their names in JSON or in the .proto file.
            wait: do not queue the event but send it at once, and return its durable status.
            timeout_s: how long to wait for it.
            envelope: what the event has beside its payload; it takes precedence over the context.

        Returns:
            The event's id; None if it was dropped, because the queue is full or the client is closed. With `wait`, the
            durable status.

        Raises:
            InvalidEventError: the type or a field does not exist, or a value has the wrong type.
            RejectedError: with `wait`, the service refused the event.
            NotStoredError: with `wait`, the service did not acknowledge it in time.
        """
        event = self._encoder.encode(event_type, data, {**self.context.get(), **envelope})
        return self._store(Waiting(event, timeout_s)) if wait else self._queue(event)

    def _track(self, event_type: str, data: Mapping[str, Any], envelope: Envelope) -> str | None:
        return self._queue(self._encoder.encode(event_type, data, {**self.context.get(), **envelope}))

    def flush(self, timeout_s: float = CLOSE_TIMEOUT_S) -> int:
        """Send what is queued without waiting for full batches; return the number of events still pending."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            self._flushing += 1
            self._changed.notify_all()
            try:
                self._changed.wait_for(lambda: not self._delivery.pending, max(0.0, deadline - time.monotonic()))
            finally:
                self._flushing -= 1
            return self._delivery.pending

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> int:
        """Flush, then stop. Events that are pending after `timeout_s` are dropped and named in one line of the log.

        Returns:
            The number of events that were dropped. A closed client drops every further event.
        """
        with self._changed:
            self._closing = True
        self.flush(timeout_s)
        with self._changed:
            self._stopped = True
            lost = self._delivery.give_up(self._under_way)
            self._under_way = []
            calls, self._calls = self._calls, None
            self._changed.notify_all()
        if calls is not None:
            calls.close()
        report_loss(lost)
        return lost.total()

    def statistics(self) -> Statistics:
        """Count the events of this client in this process."""
        with self._changed:
            return self._delivery.statistics()

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the client."""
        self.close()

    def _queue(self, event: QueuedEvent) -> str | None:
        with self._changed:
            if self._options.when_full == "block":
                self._changed.wait_for(lambda: self._closing or self._delivery.has_room(event))
            if self._closing or not self._delivery.has_room(event):
                self._delivery.refuse(event)
                return None
            if self._delivery.put(event):
                self._changed.notify_all()
            if self._thread is None:
                self._start_thread()
        return event.event_id

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._send_all, name="sociallive-analytics", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the interpreter is ending; `at_exit` names what is lost
            return
        self._thread = thread
        process.watch_end_of_child()

    def _send_all(self) -> None:
        while batch := self._next_batch():
            self._pause(self._send(batch))

    def _next_batch(self) -> list[QueuedEvent]:
        """Wait for a batch; it is empty if the client is stopped."""
        with self._changed:
            while not self._stopped:
                due_in = self._delivery.due_in(is_flushing=self._flushing > 0)
                if due_in == 0:
                    self._under_way = self._delivery.take()
                    return self._under_way
                self._changed.wait(due_in)
            return []

    def _send(self, batch: list[QueuedEvent]) -> float:
        """Send a batch once; return how many seconds to wait before the next one."""
        response, failure = None, CLOSED
        try:
            with self._calling:
                response = self._open().track_events(write_request(batch), timeout=self._options.call_timeout_s)
        except grpc.RpcError as exc:
            failure = read_failure(exc)
        except ValueError:  # `close` has closed the channel; what is under way was given up
            pass
        with self._changed:
            if self._stopped:
                return 0.0
            self._under_way = []
            wait_s = 0.0
            if response is None:
                wait_s = self._delivery.failed(batch, failure)
            else:
                self._delivery.answered(batch, response)
            self._changed.notify_all()
            return wait_s

    def _pause(self, seconds: float) -> None:
        if seconds:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped, seconds)

    def _store(self, waiting: Waiting) -> Stored:
        while True:
            calls = self._open()
            try:
                return waiting.answered(calls.track(write_request([waiting.event]), timeout=waiting.remaining_s()))
            except grpc.RpcError as exc:
                time.sleep(waiting.failed(read_failure(exc)))

    def _open(self) -> Calls:
        with self._changed:
            if self._calls is None:
                self._calls = open_calls(self._address, self._credentials, self._options.key)
            return self._calls

    def before_fork(self) -> None:
        """Wait for a call that is under way: gRPC can fork only while no thread is inside it."""
        self._held_for_fork = self._calling.acquire(timeout=FORK_WAIT_S)

    def after_fork_in_parent(self) -> None:
        """Go on."""
        if self._held_for_fork:
            self._held_for_fork = False
            self._calling.release()

    def after_fork_in_child(self) -> None:
        """Begin without the parent's connection, thread and events; the parent sends those."""
        if self._calls is not None:
            _of_parents.append(self._calls)
        self._start_afresh()

    def at_exit(self) -> None:
        """Flush for a bounded time."""
        if not self._closing:
            self.close(self._options.exit_flush_s)


def report_loss(lost: Counter[str]) -> None:
    """Name what was lost, in one line."""
    if lost:
        types = ", ".join(f"{count} {event_type}" for event_type, count in sorted(lost.items()))
        LOG.warning("%d analytics events were not delivered before the client was closed: %s", lost.total(), types)
