"""Measure ingestion end to end beside its ceilings; run it with `make bench-ingest`.

The service runs with one worker on a fresh embedded Postgres; client, worker and Postgres share this machine. What is
measured takes turns, so that a noisy machine is noisy for all of it, and the medians are compared:

TrackBatch     a client streams events through two streams, 500 a message.
write ceiling  the same rows through the same transaction over one connection: no gRPC, parsing or validation.
Track          200 concurrent callers over one connection, each event another one, answered after its commit.
empty          the same calls to a handler that does nothing, in a process like a worker: grpc.aio, uvloop, the same
               options, TrackRequest parsed and TrackResponse serialized by protobuf.
latency        Track at a fixed number of calls a second, offered on schedule whether or not earlier ones are answered;
               a call counts from the moment it was due. The same calls to the empty handler beside it.
processor      TrackBatch of realistic events: the processor time of worker and Postgres, from gRPC to the commit.
sealing        what bench/sealing.py measures.

The client of Track is bench/clients/http2_client.py; h2load and ghz, where present, check it with the same calls.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys

from bench.clients.batch_client import STREAMS, stream_events
from bench.clients.empty_server import empty_server
from bench.clients.second_client import second_clients
from bench.clients.track_client import CALLERS, offer, percentile, saturate
from bench.data.realistic_events import make_realistic_pool
from bench.data.sample_events import EVENTS_PER_MESSAGE, MessagePool, make_pool, make_rows, make_track_messages
from bench.machine import RunningService, describe_load, describe_machine, service
from bench.sealing import DEFAULT_EVENTS, measure, rounded
from bench.write_ceiling import measure_write_ceiling

OFFERED_CALLS_PER_S = 500
LEAST_EVENTS = 5_000
"""The write ceiling needs a few batches of its size."""

Figures = dict[str, float]
"""What one round measured, or the medians of all, by name."""


def measure_round(
    running: RunningService, empty: str, pool: MessagePool, realistic: MessagePool, options: argparse.Namespace
) -> Figures:
    """Measure everything once."""
    rows = make_rows(pool.messages(options.events // EVENTS_PER_MESSAGE))
    figures = {
        "trackbatch": stream_events(running.address, pool, options.events),
        "write_ceiling": asyncio.run(measure_write_ceiling(running.data_dir, rows)),
        "track": saturate(running.address, make_track_messages(options.calls)),
        "empty": saturate(empty, make_track_messages(options.calls)),
    }
    for name, run in second_clients().items():
        if run is not None:
            figures[f"{name} track"] = run(running.address, options.calls)
            figures[f"{name} empty"] = run(empty, options.calls)
    offered = make_track_messages(OFFERED_CALLS_PER_S * options.latency_seconds)
    latencies_ms = offer(running.address, offered, OFFERED_CALLS_PER_S)
    for name, percent in (("p50", 50), ("p99", 99), ("worst", 100)):
        figures[name] = percentile(latencies_ms, percent)
    figures["empty_p99"] = percentile(offer(empty, offered, OFFERED_CALLS_PER_S), 99)
    figures["cpu_us"] = measure_processor_us(running, realistic, options.events)
    return figures


def measure_processor_us(running: RunningService, realistic: MessagePool, events: int) -> float:
    """Tell how much processor time worker and Postgres take for an event of TrackBatch, in microseconds."""
    before_s = running.processor_s()
    stream_events(running.address, realistic, events)
    return 1e6 * (running.processor_s() - before_s) / events


def print_round(label: str, figures: Figures) -> None:
    """Print what one round measured."""
    batch, ceiling, track, empty = (figures[name] for name in ("trackbatch", "write_ceiling", "track", "empty"))
    print(
        f"{label}  TrackBatch {batch:>7,.0f} of {ceiling:>7,.0f} events/s {batch / ceiling:.2f}   "
        f"Track {track:>5,.0f} of {empty:>5,.0f} calls/s {track / empty:.2f}   "
        f"p50 {figures['p50']:.1f} p99 {figures['p99']:.1f} worst {figures['worst']:.1f} ms   "
        f"cpu {figures['cpu_us']:.1f} us an event   "
        f"load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


def print_table(medians: Figures, rss_mb: float) -> None:
    """Print the medians, each beside its ceiling, and how far the second clients differ."""

    def line(what: str, figure: str, ratio: float | None = None) -> None:
        print(f"{what:44} {figure:>18} {'' if ratio is None else f'{ratio:8.2f}'}".rstrip())

    print(f"\n{'what':44} {'figure':>18} {'of its ceiling':>8}")
    line("write ceiling", f"{medians['write_ceiling']:,.0f} rows/s")
    line(
        f"TrackBatch, {STREAMS} streams",
        f"{medians['trackbatch']:,.0f} events/s",
        medians["trackbatch"] / medians["write_ceiling"],
    )
    line(f"empty handler, {CALLERS} callers", f"{medians['empty']:,.0f} calls/s")
    line(f"Track, {CALLERS} callers", f"{medians['track']:,.0f} calls/s", medians["track"] / medians["empty"])
    for name, run in second_clients().items():
        if run is None:
            print(f"  {name} is not here: no check by it")
            continue
        for target in ("empty", "track"):
            figure = medians[f"{name} {target}"]
            line(f"  {name}, {target}: {figure / medians[target] - 1:+.0%}", f"{figure:,.0f} calls/s")
        line(f"  {name}, Track of empty", "", medians[f"{name} track"] / medians[f"{name} empty"])
    for name in ("p50", "p99", "worst"):
        ratio = medians["p99"] / medians["empty_p99"] if name == "p99" else None
        line(f"Track at {OFFERED_CALLS_PER_S} calls/s offered, {name}", f"{medians[name]:.1f} ms", ratio)
    line("processor time of worker and Postgres", f"{medians['cpu_us']:.1f} us/event")
    line("most memory of the worker", f"{rss_mb:.0f} MB")


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="python -m bench.ingest"
    )
    arguments.add_argument("--events", type=int, default=100_000, help="of TrackBatch a round (default 100,000)")
    arguments.add_argument("--calls", type=int, default=10_000, help="of Track a round (default 10,000)")
    arguments.add_argument("--latency-seconds", type=int, default=6, help="a round (default 6)")
    arguments.add_argument("--rounds", type=int, default=5, help="after one to warm up (default 5)")
    arguments.add_argument(
        "--sealed-events", type=int, default=DEFAULT_EVENTS, help="events that are sealed (default 1,600,000)"
    )
    options = arguments.parse_args()
    if options.events < LEAST_EVENTS:
        arguments.error(f"--events: at least {LEAST_EVENTS:,}")
    return options


def main() -> None:
    """Run the benchmark and print its figures; the last line is JSON."""
    options = parse_options()
    pool, realistic = make_pool(), make_realistic_pool()
    rounds: list[Figures] = []
    with service() as running, empty_server() as empty:
        for number in range(options.rounds + 1):
            figures = measure_round(running, empty, pool, realistic, options)
            print_round(f"round {number}" if number else "warm-up", figures)
            if number:
                rounds.append(figures)
        rss_mb = running.peak_rss_mb()
    medians = {name: statistics.median(figures[name] for figures in rounds) for name in rounds[0]}
    print_table(medians, rss_mb)
    sealing = rounded(measure(options.sealed_events))
    print("h2load and ghz send one event without an id with each call, and each call stores it anew.")
    print(f"\nmachine  {describe_machine()}")
    print(f"load     {describe_load()}")
    print(f"command  python -m bench.ingest {' '.join(sys.argv[1:])}".rstrip())
    print(
        json.dumps(
            {
                "trackbatch_events_per_s": round(medians["trackbatch"]),
                "write_ceiling_events_per_s": round(medians["write_ceiling"]),
                "trackbatch_ratio": round(medians["trackbatch"] / medians["write_ceiling"], 2),
                "track_rpcs_per_s": round(medians["track"]),
                "empty_rpcs_per_s": round(medians["empty"]),
                "track_ratio": round(medians["track"] / medians["empty"], 2),
                "track_p50_ms": round(medians["p50"], 1),
                "track_p99_ms": round(medians["p99"], 1),
                "track_p99_vs_empty": round(medians["p99"] / medians["empty_p99"], 2),
                "cpu_us_per_event": round(medians["cpu_us"], 1),
                **sealing,
                "rss_mb": round(rss_mb),
                "machine": describe_machine(),
            }
        )
    )


if __name__ == "__main__":
    main()
