"""A client of TrackBatch and TrackEvents: grpc's own, with messages that are serialized already."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from bench.data.sample_events import EVENTS_PER_MESSAGE, MessagePool
from sociallive.analytics.v1.track_pb2 import TrackBatchResponse, TrackEventsResponse

METHOD = "/sociallive.analytics.v1.AnalyticsService/TrackBatch"
UNARY_METHOD = "/sociallive.analytics.v1.AnalyticsService/TrackEvents"
STREAMS = 2
CONNECT_TIMEOUT_S = 10


def stream_events(address: str, pool: MessagePool, events: int) -> float:
    """Stream events in, STREAMS at a time; return how many were committed a second, from first byte to last response.

    Args:
        address: of the service.
        pool: makes the messages, while they are sent.
        events: how many; a remainder that fills no message of each stream is left out.
    """
    messages = events // EVENTS_PER_MESSAGE // STREAMS
    parts = [pool.messages(messages) for _ in range(STREAMS)]
    answers, seconds = stream_parts(address, lambda: parts.pop() if parts else None)
    stored = sum(answer.stored for answer in answers)
    if stored != messages * STREAMS * EVENTS_PER_MESSAGE:
        raise SystemExit(f"{stored} of {events} events were stored")
    return stored / seconds


def stream_parts(
    address: str, next_part: Callable[[], Iterable[bytes] | None]
) -> tuple[list[TrackBatchResponse], float]:
    """Send parts, each through a stream of its own, STREAMS at a time; return their responses and the seconds it took.

    Args:
        address: of the service.
        next_part: hands out the messages of a part, None when there are no more; called from several threads.
    """
    answers: list[TrackBatchResponse] = []
    with grpc.insecure_channel(address) as channel, ThreadPoolExecutor(STREAMS) as clients:
        grpc.channel_ready_future(channel).result(timeout=CONNECT_TIMEOUT_S)

        def send() -> None:
            while (part := next_part()) is not None:
                answers.append(_stream(channel, part))

        started_at = time.perf_counter()
        for client in [clients.submit(send) for _ in range(STREAMS)]:
            client.result()
        return answers, time.perf_counter() - started_at


def send_batches(address: str, messages: Sequence[bytes], connections: int) -> float:
    """Call TrackEvents with each message, always one a connection; return how many events were stored a second."""
    waiting = iter(messages)
    options = (("grpc.use_local_subchannel_pool", 1),)
    channels = [grpc.insecure_channel(address, options=options) for _ in range(connections)]

    def send(channel: grpc.Channel) -> int:
        call: Any = channel.unary_unary(UNARY_METHOD, response_deserializer=TrackEventsResponse.FromString)
        return sum(call(message).stored for message in waiting)  # a step of the iterator belongs to one thread

    with ThreadPoolExecutor(connections) as clients:
        for channel in channels:
            grpc.channel_ready_future(channel).result(timeout=CONNECT_TIMEOUT_S)
        started_at = time.perf_counter()
        stored = sum(clients.map(send, channels))
        seconds = time.perf_counter() - started_at
    for channel in channels:
        channel.close()
    return stored / seconds


def _stream(channel: grpc.Channel, messages: Iterable[bytes]) -> TrackBatchResponse:
    def requests() -> Iterator[bytes]:
        yield from messages

    call: Any = channel.stream_unary(METHOD, response_deserializer=TrackBatchResponse.FromString)
    answer: TrackBatchResponse = call(requests())
    return answer
