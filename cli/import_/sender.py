"""Sends chunks: a few streams at a time, each again until the service has answered it or clearly will not."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from cli.client import CallError, analytics_stub
from cli.command_error import CommandError
from cli.import_.chunks import Chunk
from server.rpc.error_reasons import BROKEN_CONNECTIONS
from sociallive.analytics.v1.track_pb2 import TrackBatchResponse

IN_FLIGHT = 4
"""Streams at a time: enough to keep the service's writers busy while the next chunk is read."""
CONNECT_TIMEOUT_S = 5.0
REASON_TIMEOUT_S = 1.0
"""A channel that has just failed to connect says at once why."""
CHUNK_TIMEOUT_S = 120.0
"""A chunk takes well under a second; after this the response is lost, and asking again is safe."""
MOST_ATTEMPTS = 16
"""With the waits below about a minute: longer than a restart of the service or a failover of its database."""
FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 5.0
"""A service that is back should not be kept waiting for much longer than its restart took."""
TOLD_WAIT_S = 1.0
"""Shorter waits are everyday pushing back and not worth a line."""

WAKE_S = 0.5
"""A signal that another thread took is seen by the main one when it wakes: Ctrl-C waits for no longer than this."""


class ChunkSender:
    """Sends chunks over one channel. Repeats are safe: every event of an import has a deterministic id."""

    def __init__(self, channel: grpc.Channel, address: str, warn: Callable[[str], None]) -> None:
        """Take the channel, the address it leads to, and what to do with a line about a wait."""
        self._channel = channel
        self._address = address
        self._warn = warn
        self._stub = analytics_stub(channel)
        self._stopped = threading.Event()
        self._told_lock = threading.Lock()
        self._told_attempt = 0

    def connect(self) -> None:
        """Wait until the service is reached, so that a wrong address is reported before all attempts are used.

        Raises:
            CallError: it is not reached within CONNECT_TIMEOUT_S.
        """
        try:
            grpc.channel_ready_future(self._channel).result(timeout=CONNECT_TIMEOUT_S)
        except grpc.FutureTimeoutError:
            # Only a call shows the cause; one that succeeds after all is as good as a connection.
            stub: Any = health_pb2_grpc.HealthStub(self._channel)
            try:
                stub.Check(health_pb2.HealthCheckRequest(), timeout=REASON_TIMEOUT_S)
            except grpc.RpcError as exc:
                raise CallError(exc, self._address) from exc

    def send_all(self, chunks: Iterator[Chunk]) -> Generator[tuple[Chunk, TrackBatchResponse], None, None]:
        """Send chunks, IN_FLIGHT at a time, and yield each with its response, in order.

        Closing the iterator early cancels what is under way and closes the channel.

        Raises:
            CommandError: `chunks` ended so; all chunks before were sent and yielded.
            CallError: the service refused a chunk, or did not answer it in all attempts.
        """
        pending: deque[tuple[Chunk, Future[TrackBatchResponse]]] = deque()
        damage: CommandError | None = None
        pool = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="chunk")
        try:
            while True:
                try:
                    chunk = next(chunks, None)
                except CommandError as exc:
                    damage, chunk = exc, None
                while pending and (chunk is None or len(pending) == IN_FLIGHT):
                    sent, answer = pending.popleft()
                    while not wait((answer,), timeout=WAKE_S).done:
                        pass
                    yield sent, answer.result()
                if chunk is None:
                    break
                pending.append((chunk, pool.submit(self.send, chunk)))
        except BaseException:  # an interrupt and a closed iterator too: no thread may wait for its stream's end
            self._stopped.set()
            self._channel.close()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
        if damage is not None:
            raise damage

    def send(self, chunk: Chunk) -> TrackBatchResponse:
        """Send one chunk until it is answered.

        Raises:
            CallError: the service refused it, or did not answer in MOST_ATTEMPTS.
        """
        if not chunk.messages:
            return TrackBatchResponse()
        for attempt in range(1, MOST_ATTEMPTS):
            try:
                answer = self._send_once(chunk)
            except CallError as exc:
                if not is_retried(exc):
                    raise
                wait_s = wait_before_retry_s(attempt, exc.explanation.retry_after_s)
                self._tell(exc, attempt, wait_s)
                if self._stopped.wait(wait_s):
                    raise
            else:
                self._told_attempt = 0
                return answer
        return self._send_once(chunk)

    def _tell(self, error: CallError, attempt: int, wait_s: float) -> None:
        """Say why the import waits: once for all streams that fail together, and not for every short wait."""
        with self._told_lock:
            if wait_s < TOLD_WAIT_S or attempt <= self._told_attempt:
                return
            self._told_attempt = attempt
        self._warn(f"{error.message.splitlines()[0]}; sending again in {wait_s:.0f} s")

    def _send_once(self, chunk: Chunk) -> TrackBatchResponse:
        try:
            answer = self._stub.TrackBatch(iter(chunk.messages), timeout=CHUNK_TIMEOUT_S)
        except grpc.RpcError as exc:
            raise CallError(exc, self._address) from exc
        assert isinstance(answer, TrackBatchResponse)  # noqa: S101 - the stub is untyped
        return answer


def is_retried(error: CallError) -> bool:
    """Return whether sending the same chunk again may help: where the service says so, or did not answer at all."""
    if error.explanation.reason:
        return error.explanation.retry_after_s is not None
    return error.code in BROKEN_CONNECTIONS


def wait_before_retry_s(attempt: int, retry_after_s: float | None) -> float:
    """Double the wait with each attempt, counted from 1, and never wait less than the service asks, up to a bound."""
    return min(LONGEST_WAIT_S, max(FIRST_WAIT_S * 2.0 ** (attempt - 1), retry_after_s or 0.0))
