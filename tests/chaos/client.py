"""The load client, a process of its own: sends events at a bounded rate until they are taken, and journals answers.

Run as `python -m tests.chaos.client --address HOST:PORT --seed TEXT --journal FILE --epoch-ms NUMBER`. SIGTERM makes it
send no new events and end once all that it has sent is taken; kill -9 is survived by the journal. Started again with
the same seed it sends the same events from the first one on.
"""

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from sociallive.analytics.v1.analytics_service_pb2_grpc import AnalyticsServiceStub
from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.track_pb2 import EventStatus, TrackBatchRequest, TrackRequest
from tests.chaos.journal import STREAM_LANE, Counts, Failure, JournalWriter, Sending, make_event

UNARY_LANES = 8
STREAM_LANES = 2
STREAM_SHARE = 0.75
"""How much of the rate goes through streams."""
EVENTS_PER_MESSAGE = 25
MESSAGES_PER_STREAM = 4
UNARY_DEADLINE_S = 10.0
STREAM_DEADLINE_S = 20.0
RETRY_DELAY_S = 0.1
"""Where the server does not say when to come back."""
LONGEST_DELAY_S = 1.0
"""Outages here are short: a server that asks for more patience is asked again all the same."""
MOST_LAG_S = 1.0
"""Events that an outage kept from being sent are sent later, not faster."""
PATIENCE_S = 40.0
"""How long a client that should end goes on trying to get rid of what it has sent."""
PARENT_POLL_S = 0.5
CHANNEL_OPTIONS = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),  # the journal counts every attempt
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 2_000),  # also what a busy server gets to greet a connection
    ("grpc.max_reconnect_backoff_ms", 500),
]


class Lane:
    """A caller that sends its events one call after the other, each again until the service has taken it."""

    def __init__(self, name: str, options: argparse.Namespace, journal: JournalWriter, stop: asyncio.Event) -> None:
        self._name = name
        self._options = options
        self._journal = journal
        self._stop = stop
        self._channels = [grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS) for address in options.address]
        # Generated stubs have no types.
        self._stubs: list[Any] = [AnalyticsServiceStub(channel) for channel in self._channels]  # type: ignore[no-untyped-call]

    async def run(self, events_per_s: float, events_per_call: int) -> None:
        """Send until told to stop; returns when all that was sent is taken."""
        first = 0
        due_s = time.monotonic()
        while not self._stop.is_set():
            await self._send_until_taken(first, events_per_call, events_per_s)
            first += events_per_call
            due_s = max(due_s + events_per_call / events_per_s, time.monotonic() - MOST_LAG_S)
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        for channel in self._channels:
            await channel.close()

    async def _send_until_taken(self, first: int, count: int, events_per_s: float) -> None:
        attempt = 0
        while True:
            attempt += 1
            stub = self._stubs[attempt % len(self._stubs)]
            sending = Sending(self._name, first, count, attempt)
            self._journal.sent(sending)
            try:
                if self._name.startswith(STREAM_LANE):
                    counts = await self._stream(stub, sending, events_per_s)
                else:
                    counts = await self._call(stub, sending)
            except grpc.aio.AioRpcError as exc:
                failure = read_failure(exc)
                self._journal.failed(sending, failure)
                await asyncio.sleep(min(failure.retry_after_s or RETRY_DELAY_S, LONGEST_DELAY_S))
            else:
                self._journal.taken(sending, counts)
                return

    def _event(self, number: int) -> Event:
        return make_event(self._options.seed, self._name, number, self._options.epoch_ms)

    async def _call(self, stub: Any, sending: Sending) -> Counts:
        answer = await stub.Track(TrackRequest(event=self._event(sending.first)), timeout=UNARY_DEADLINE_S)
        return Counts.of_status(read_status(answer.status))

    async def _stream(self, stub: Any, sending: Sending, events_per_s: float) -> Counts:
        async def messages() -> AsyncIterator[TrackBatchRequest]:
            end = sending.first + sending.count
            for start in range(sending.first, end, EVENTS_PER_MESSAGE):
                events = [self._event(number) for number in range(start, start + EVENTS_PER_MESSAGE)]
                yield TrackBatchRequest(events=events[::-1] if self._options.reverse else events)
                if start + EVENTS_PER_MESSAGE < end:
                    await asyncio.sleep(EVENTS_PER_MESSAGE / events_per_s)

        answer = await stub.TrackBatch(messages(), timeout=STREAM_DEADLINE_S)
        return Counts(answer.stored, answer.duplicates, answer.rejected, answer.spooled)


def read_status(status: int) -> str:
    """Name an EventStatus, as STORED."""
    return EventStatus.Name(status).removeprefix("EVENT_STATUS_")


def read_failure(exc: Any) -> Failure:
    """Read code, ErrorInfo and RetryInfo of an RPC's error."""
    code = exc.code().name
    try:
        status = rpc_status.from_call(exc)
    except ValueError:  # the transport's own failures carry no status of ours
        status = None
    reason, retry_after_s = "", None
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    for detail in status.details if status is not None else ():
        if detail.Unpack(info):
            reason = info.reason
        elif detail.Unpack(retry):
            retry_after_s = retry.retry_delay.ToTimedelta().total_seconds()
    return Failure(code, reason, retry_after_s, exc.details() or "")


async def run(options: argparse.Namespace) -> int:
    """Run all lanes; returns 0 when everything that was sent is taken."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    journal = JournalWriter(options.journal)
    stream_rate = options.rate * STREAM_SHARE / STREAM_LANES
    unary_rate = options.rate * (1 - STREAM_SHARE) / UNARY_LANES
    lanes = [Lane(f"unary-{number}", options, journal, stop).run(unary_rate, 1) for number in range(UNARY_LANES)] + [
        Lane(f"{STREAM_LANE}-{number}", options, journal, stop).run(
            stream_rate, EVENTS_PER_MESSAGE * MESSAGES_PER_STREAM
        )
        for number in range(STREAM_LANES)
    ]
    running = asyncio.gather(*lanes)
    watching = asyncio.create_task(watch_parent(stop))
    try:
        await asyncio.wait((running, asyncio.ensure_future(stop.wait())), return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait_for(running, PATIENCE_S)
    except TimeoutError:
        return 1
    finally:
        watching.cancel()
        journal.close()
    return 0


async def watch_parent(stop: asyncio.Event) -> None:
    """Stop when the harness is gone."""
    parent = os.getppid()
    while os.getppid() == parent:
        await asyncio.sleep(PARENT_POLL_S)
    stop.set()


def main() -> None:
    """Read the command line and send."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--address", action="append", required=True, help="a server; attempts take turns")
    arguments.add_argument("--seed", required=True, help="names the events: the same seed sends the same ones")
    arguments.add_argument("--journal", type=Path, required=True, help="where answers are remembered")
    arguments.add_argument("--epoch-ms", type=int, required=True, help="when event 0 happened")
    arguments.add_argument("--rate", type=float, default=1000.0, help="events a second")
    arguments.add_argument("--reverse", action="store_true", help="turn the order within each message round")
    sys.exit(asyncio.run(run(arguments.parse_args())))


if __name__ == "__main__":
    main()
