"""Measure ingestion end to end beside its ceiling; run it with `make bench`.

End to end: a client streams events through TrackBatch into a service with one worker on the embedded Postgres; client,
worker and Postgres share this machine. Ceiling: the same rows through the same transaction over one connection, without
gRPC, parsing or validation, into the same Postgres. The two take turns, so that a noisy machine is noisy for both, and
the medians are compared.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import grpc

from bench.machine import RunningService, describe_machine, service
from bench.write_ceiling import measure_write_ceiling
from events.ids import uuid7
from events.normalize import Normalizer, Rejected, Row
from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.purchase_event_pb2 import PurchaseEvent
from sociallive.analytics.v1.track_pb2 import TrackBatchRequest, TrackBatchResponse
from sociallive.analytics.v1.view_event_pb2 import ViewEvent

EVENTS_PER_MESSAGE = 500
STREAMS = 2
METHOD = "/sociallive.analytics.v1.AnalyticsService/TrackBatch"


def make_event(number: int) -> Event:
    """Make the event of this number: nine views to a purchase, ten thousand users, version 7 ids."""
    event = Event(
        event_id=uuid7(),
        user_id=f"user-{number % 10_000}",
        session_id=f"session-{number % 30_000}",
        platform="mobile",
    )
    event.timestamp.FromMilliseconds(int(time.time() * 1000))
    if number % 10:
        event.view.CopyFrom(
            ViewEvent(content_type="post", content_id=f"post-{number % 1000}", view_duration=4.5, referrer="feed")
        )
    else:
        event.purchase.CopyFrom(
            PurchaseEvent(product_id="p-1", order_id=f"o-{number}", amount=29.99, currency="USD", quantity=1)
        )
    return event


def make_messages(events: int) -> list[bytes]:
    """Serialize the requests beforehand: a real client's own work is not what is measured."""
    return [
        TrackBatchRequest(
            events=[make_event(number) for number in range(start, min(start + EVENTS_PER_MESSAGE, events))]
        ).SerializeToString()
        for start in range(0, events, EVENTS_PER_MESSAGE)
    ]


def make_rows(events: int) -> list[Row]:
    """Make the rows that the service would make of such events."""
    normalizer = Normalizer(ip_hash_key=b"bench", retention_raw_days=0)
    now = datetime.now(UTC)
    rows = []
    for number in range(events):
        row = normalizer.prepare(make_event(number), now, backfill=False)
        if isinstance(row, Rejected):
            raise TypeError(row)
        rows.append(row)
    return rows


def stream(channel: grpc.Channel, messages: list[bytes]) -> TrackBatchResponse:
    """Send messages through one stream and return its answer."""

    def requests() -> Iterator[bytes]:
        yield from messages

    call: Any = channel.stream_unary(METHOD, response_deserializer=TrackBatchResponse.FromString)
    answer: TrackBatchResponse = call(requests())
    return answer


def measure_trackbatch(running: RunningService, events: int) -> float:
    """Stream events in and return how many were committed a second."""
    messages = make_messages(events)
    with grpc.insecure_channel(running.address) as channel, ThreadPoolExecutor(STREAMS) as clients:
        grpc.channel_ready_future(channel).result(timeout=10)
        started_at = time.perf_counter()
        answers = list(clients.map(lambda part: stream(channel, messages[part::STREAMS]), range(STREAMS)))
        seconds = time.perf_counter() - started_at
    stored = sum(answer.stored for answer in answers)
    if stored != events:
        raise SystemExit(f"{stored} of {events} events were stored")
    return events / seconds


def main() -> None:
    """Run the benchmark and print its figures; the last line is JSON."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=100_000, help="events a round (default 100,000)")
    arguments.add_argument("--rounds", type=int, default=3, help="rounds after one to warm up (default 3)")
    options = arguments.parse_args()
    print(f"machine   {describe_machine()}")
    print(f"command   python -m bench.ingest --events {options.events} --rounds {options.rounds}")
    rates: list[float] = []
    ceilings: list[float] = []
    with service() as running:
        for number in range(options.rounds + 1):
            rate = measure_trackbatch(running, options.events)
            ceiling = asyncio.run(measure_write_ceiling(running.data_dir, make_rows(options.events)))
            label = f"round {number}" if number else "warm-up"
            print(
                f"{label:9} TrackBatch {rate:>9,.0f} events/s   ceiling {ceiling:>9,.0f} rows/s   {rate / ceiling:.2f}"
            )
            if number:
                rates.append(rate)
                ceilings.append(ceiling)
        rss_mb = running.peak_rss_mb()
    rate, ceiling = statistics.median(rates), statistics.median(ceilings)
    print(
        json.dumps(
            {
                "trackbatch_events_per_s": round(rate),
                "write_ceiling_events_per_s": round(ceiling),
                "trackbatch_ratio": round(rate / ceiling, 2),
                "rss_mb": round(rss_mb),
                "machine": describe_machine(),
            }
        )
    )


if __name__ == "__main__":
    main()
