"""The client for asyncio: a task of the running loop sends what `track` queues."""

import asyncio
import contextlib
from collections.abc import Awaitable, Mapping
from types import TracebackType
from typing import Any, Literal, Self, Unpack, overload

import grpc

from sociallive_analytics.catalogue import TypedEvents
from sociallive_analytics.client import CLOSE_TIMEOUT_S, WAIT_TIMEOUT_S, report_loss
from sociallive_analytics.context import Envelope, EnvelopeContext
from sociallive_analytics.delivery import Delivery
from sociallive_analytics.encoding import EventEncoder, QueuedEvent, write_request
from sociallive_analytics.failures import read_failure
from sociallive_analytics.options import Options, default_address
from sociallive_analytics.outcomes import Statistics, Stored
from sociallive_analytics.transport import Calls, open_async_calls
from sociallive_analytics.waiting import Waiting


class AsyncAnalytics(TypedEvents[Awaitable[str | None]]):
    """Like Analytics, for the tasks of one event loop. Close it, or use it with `async with`, before the loop ends.

    Example:
        >>> async def main() -> None:
        ...     async with AsyncAnalytics("127.0.0.1:50051") as analytics:
        ...         await analytics.track_view(content_type="post", content_id="post-123", user_id="user-1")
    """

    def __init__(
        self,
        address: str | None = None,
        options: Options | None = None,
        *,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        """Make a client; see Analytics. It needs no running loop before the first event."""
        self._address = address or default_address()
        self._options = options or Options()
        self._credentials = credentials
        self._encoder = EventEncoder(self._options.default_currency, self._options.platform)
        self.context = EnvelopeContext()
        """`with analytics.context(user_id=...)` adds to the envelope of the events inside."""
        self._delivery = Delivery(self._options)
        self._under_way: list[QueuedEvent] = []
        self._changed = asyncio.Condition()
        self._wake = asyncio.Event()
        self._calls: Calls | None = None
        self._task: asyncio.Task[None] | None = None
        self._flushing = 0
        self._closing = False

    @overload
    async def track(
        self,
        event_type: str,
        data: Mapping[str, Any],
        *,
        wait: Literal[False] = False,
        timeout_s: float = ...,
        **envelope: Unpack[Envelope],
    ) -> str | None: ...

    @overload
    async def track(
        self,
        event_type: str,
        data: Mapping[str, Any],
        *,
        wait: Literal[True],
        timeout_s: float = ...,
        **envelope: Unpack[Envelope],
    ) -> Stored: ...

    async def track(
        self,
        event_type: str,
        data: Mapping[str, Any],
        *,
        wait: bool = False,
        timeout_s: float = WAIT_TIMEOUT_S,
        **envelope: Unpack[Envelope],
    ) -> str | Stored | None:
        """Track an event; see Analytics.track. It waits for nothing unless `wait`, or the queue is full and blocks."""
        event = self._encoder.encode(event_type, data, {**self.context.get(), **envelope})
        return await (self._store(Waiting(event, timeout_s)) if wait else self._queue(event))

    def _track(self, event_type: str, data: Mapping[str, Any], envelope: Envelope) -> Awaitable[str | None]:
        return self._queue(self._encoder.encode(event_type, data, {**self.context.get(), **envelope}))

    async def flush(self, timeout_s: float = CLOSE_TIMEOUT_S) -> int:
        """Send what is queued without waiting for full batches; return the number of events still pending."""
        self._flushing += 1
        self._wake.set()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s), self._changed:
                    await self._changed.wait_for(lambda: not self._delivery.pending)
        finally:
            self._flushing -= 1
        return self._delivery.pending

    async def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> int:
        """Flush, then stop; see Analytics.close."""
        self._closing = True
        await self.flush(timeout_s)
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        lost = self._delivery.give_up(self._under_way)
        self._under_way = []
        if self._calls is not None:
            await self._calls.close()
            self._calls = None
        async with self._changed:
            self._changed.notify_all()
        report_loss(lost)
        return lost.total()

    def statistics(self) -> Statistics:
        """Count the events of this client."""
        return self._delivery.statistics()

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the client."""
        await self.close()

    async def _queue(self, event: QueuedEvent) -> str | None:
        if self._options.when_full == "block" and not self._delivery.has_room(event):
            async with self._changed:
                await self._changed.wait_for(lambda: self._closing or self._delivery.has_room(event))
        if self._closing or not self._delivery.has_room(event):
            self._delivery.refuse(event)
            return None
        if self._delivery.put(event):
            self._wake.set()
        if self._task is None:
            self._task = asyncio.create_task(self._send_all(), name="sociallive-analytics")
        return event.event_id

    async def _send_all(self) -> None:
        while True:
            due_in = self._delivery.due_in(is_flushing=self._flushing > 0)
            if due_in == 0:
                await asyncio.sleep(await self._send(self._delivery.take()))
                continue
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(due_in):
                    await self._wake.wait()

    async def _send(self, batch: list[QueuedEvent]) -> float:
        """Send a batch once; return how many seconds to wait before the next one."""
        self._under_way = batch
        wait_s = 0.0
        try:
            response = await self._open().track_events(write_request(batch), timeout=self._options.call_timeout_s)
        except grpc.RpcError as exc:
            wait_s = self._delivery.failed(batch, read_failure(exc))
        else:
            self._delivery.answered(batch, response)
        self._under_way = []
        async with self._changed:
            self._changed.notify_all()
        return wait_s

    async def _store(self, waiting: Waiting) -> Stored:
        while True:
            try:
                call = self._open().track(write_request([waiting.event]), timeout=waiting.remaining_s())
                return waiting.answered(await call)
            except grpc.RpcError as exc:
                await asyncio.sleep(waiting.failed(read_failure(exc)))

    def _open(self) -> Calls:
        if self._calls is None:
            self._calls = open_async_calls(self._address, self._credentials, self._options.key)
        return self._calls
