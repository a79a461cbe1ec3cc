"""Measure what hostile callers do to honest ones; run it with `make bench-hostile`.

The service runs with one worker on a fresh embedded Postgres. First valid events are streamed in alone, then beside a
client that streams invalid events as fast as it can, then alone again. Then idle streams are held open while
connections come and go, and Track is called.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import asyncpg
import grpc

from bench.clients.batch_client import stream_parts
from bench.clients.idle_connections import IdleStreams, drop_connections
from bench.data.sample_events import MessagePool, make_event, make_pool
from bench.machine import RunningService, describe_load, describe_machine, service
from sociallive.analytics.v1.analytics_service_pb2_grpc import AnalyticsServiceStub
from sociallive.analytics.v1.track_pb2 import TrackRequest
from storage.embedded import EmbeddedPostgres

MESSAGES_PER_STREAM = 20
"""Short streams, so that hardly any goes on after the time that it is measured in."""
TRACK_TIMEOUT_S = 5


def stream_while(address: str, pool: MessagePool, going_on: Callable[[], bool]) -> float:
    """Stream valid events in as long as something goes on, and return how many were committed a second."""

    def next_part() -> Iterable[bytes] | None:
        return pool.messages(MESSAGES_PER_STREAM) if going_on() else None

    answers, seconds = stream_parts(address, next_part)
    if any(answer.stored < answer.received for answer in answers):
        raise SystemExit("valid events were not stored")
    return sum(answer.stored for answer in answers) / seconds


def stream_for(address: str, pool: MessagePool, seconds: float) -> float:
    """Stream valid events in for so long, and return how many were committed a second."""
    ends_at = time.monotonic() + seconds
    return stream_while(address, pool, lambda: time.monotonic() < ends_at)


def stream_beside_invalid(address: str, pool: MessagePool, invalid: int) -> tuple[float, dict[str, Any]]:
    """Stream valid events in beside so many invalid ones; return the valid ones' rate, and what the other client says.

    Returns:
        The events committed a second, and `sent`, `rejected` and `seconds` of the invalid ones.
    """
    with subprocess.Popen(  # noqa: S603 - our own command
        (sys.executable, "-m", "bench.clients.invalid_client", address, "--events", str(invalid)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as client:
        assert client.stdin is not None  # noqa: S101 - it was asked for
        assert client.stdout is not None  # noqa: S101 - likewise
        client.stdout.readline()
        client.stdin.write("go\n")
        client.stdin.flush()
        rate = stream_while(address, pool, lambda: client.poll() is None)
        said = client.stdout.read()
    if client.returncode:
        raise SystemExit("the client of invalid events failed; its error is above")
    return rate, json.loads(said)


async def measure_quarantine_mb(data_dir: Path) -> float:
    """Ask Postgres how large the quarantine is, in MB of 10^6 bytes; 0 where there is none."""
    connection = await asyncpg.connect(EmbeddedPostgres(data_dir).start())
    try:
        size = await connection.fetchval(
            "SELECT coalesce(pg_total_relation_size(to_regclass('analytics_rejected_events')), 0)"
        )
    finally:
        await connection.close()
    return int(size) / 1e6


async def misbehave(running: RunningService, streams: int, connections: int) -> dict[str, Any]:
    """Hold idle streams open while connections come and go, and measure the service meanwhile."""
    async with IdleStreams(running.address, streams) as idle:
        dropped = await drop_connections(running.address, connections)
        async with grpc.aio.insecure_channel(running.address) as channel:
            stub: Any = AnalyticsServiceStub(channel)  # type: ignore[no-untyped-call]
            answer = await stub.Track(TrackRequest(event=make_event(0)), timeout=TRACK_TIMEOUT_S)
        rss_mb = running.rss_mb()
    return {
        "idle_streams": idle.answered,
        "dropped_connections": dropped,
        "rss_mb": round(rss_mb),
        "serving": bool(answer.event_id),
    }


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    arguments = argparse.ArgumentParser(description=__doc__, prog="python -m bench.hostile")
    arguments.add_argument("--invalid", type=int, default=1_000_000, help="invalid events (default 1,000,000)")
    arguments.add_argument("--seconds", type=float, default=10, help="of valid events alone, twice (default 10)")
    arguments.add_argument("--streams", type=int, default=1_000, help="held open (default 1,000)")
    arguments.add_argument("--connections", type=int, default=10_000, help="opened and dropped (default 10,000)")
    return arguments.parse_args()


def main() -> None:
    """Run the benchmark and print its figures; the last line is JSON."""
    options = parse_options()
    print(f"machine  {describe_machine()}")
    print(f"command  python -m bench.hostile {' '.join(sys.argv[1:])}".rstrip())
    pool = make_pool()
    with service() as running:
        stream_for(running.address, pool, min(2, options.seconds))  # to warm up
        before = stream_for(running.address, pool, options.seconds)
        print(f"valid events alone   {before:10,.0f} events/s   load {describe_load()}", flush=True)
        beside, invalid = stream_beside_invalid(running.address, pool, options.invalid)
        print(f"beside invalid ones  {beside:10,.0f} events/s   load {describe_load()}")
        invalid_rate = invalid["sent"] / invalid["seconds"]
        print(f"the invalid ones     {invalid_rate:10,.0f} events/s   {invalid['rejected']:,} rejected", flush=True)
        after = stream_for(running.address, pool, options.seconds)
        print(f"alone again          {after:10,.0f} events/s   load {describe_load()}", flush=True)
        quarantine_mb = asyncio.run(measure_quarantine_mb(running.data_dir))
        disk_mb = running.disk_mb()
        print(f"quarantine           {quarantine_mb:10,.0f} MB of {disk_mb:,.0f} MB on disk, most memory ", end="")
        print(f"{running.peak_rss_mb():.0f} MB", flush=True)
        manners = asyncio.run(misbehave(running, options.streams, options.connections))
        print(f"idle streams         {manners['idle_streams']:10,} answered in the end")
        print(f"connections          {manners['dropped_connections']:10,} opened and dropped")
        print(f"memory               {manners['rss_mb']:10,} MB, most {running.peak_rss_mb():.0f} MB")
    alone = (before + after) / 2
    figures = {
        "valid_alone_per_s": round(alone),
        "valid_beside_per_s": round(beside),
        "ratio": round(beside / alone, 2),
        "invalid_sent": invalid["sent"],
        "invalid_rejected": invalid["rejected"],
        "quarantine_mb": round(quarantine_mb, 1),
        "disk_mb": round(disk_mb),
        **manners,
        "machine": describe_machine(),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
