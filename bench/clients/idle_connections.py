"""Callers who do not behave: streams that are held open and say nothing, connections that come and go."""

import asyncio
import os
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import grpc

from bench.clients.batch_client import METHOD
from bench.clients.http2_client import PREFACE
from bench.data.sample_events import make_event
from sociallive.analytics.v1.track_pb2 import TrackBatchRequest, TrackBatchResponse

STREAMS_PER_CONNECTION = 250
CONNECTIONS_AT_ONCE = 100
GARBAGE_BYTES = 2_000
CLOSE_TIMEOUT_S = 5.0


class IdleStreams:
    """Streams of TrackBatch that have sent one event each and are held open while the body runs.

    Afterwards they end, and `answered` is the number of responses that report a stored event.
    """

    def __init__(self, address: str, streams: int) -> None:
        self._address = address
        self._streams = streams
        self._channels: list[grpc.aio.Channel] = []
        self._calls: list[Any] = []
        self.answered = 0

    async def __aenter__(self) -> Self:
        for start in range(0, self._streams, STREAMS_PER_CONNECTION):
            channel = grpc.aio.insecure_channel(self._address, options=[("grpc.use_local_subchannel_pool", 1)])
            self._channels.append(channel)
            open_stream: Any = channel.stream_unary(
                METHOD,
                request_serializer=TrackBatchRequest.SerializeToString,
                response_deserializer=TrackBatchResponse.FromString,
            )
            self._calls += [open_stream() for _ in range(min(STREAMS_PER_CONNECTION, self._streams - start))]
        for number, call in enumerate(self._calls):
            await call.write(TrackBatchRequest(events=[make_event(number)]))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if error is None:
            for call in self._calls:
                await call.done_writing()
                self.answered += (await call).stored
        for channel in self._channels:
            await channel.close()


async def drop_connections(address: str, connections: int) -> int:
    """Open and drop connections, every second one after an HTTP/2 preface and garbage; return how many were opened."""
    host, _, port = address.rpartition(":")
    places = asyncio.Semaphore(CONNECTIONS_AT_ONCE)

    async def come_and_go(number: int) -> None:
        async with places:
            _, writer = await asyncio.open_connection(host, int(port))
            if number % 2:
                writer.write(PREFACE + os.urandom(GARBAGE_BYTES))
                with suppress(OSError):
                    await writer.drain()
            writer.close()
            with suppress(OSError, TimeoutError):  # the server may have dropped us first, which is its right
                await asyncio.wait_for(writer.wait_closed(), CLOSE_TIMEOUT_S)

    async with asyncio.TaskGroup() as tasks:
        for number in range(connections):
            tasks.create_task(come_and_go(number))
    return connections
