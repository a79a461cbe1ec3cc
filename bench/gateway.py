"""What the gateway costs: REST through Envoy beside direct gRPC, on one service; the last line is JSON.

make bench-gateway
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from google.protobuf.json_format import MessageToDict

from bench.machine import describe_load, describe_machine, service
from bench.rest_client import Run, saturate_rest
from bench.sample_events import make_event, make_track_messages
from bench.track_client import CALLERS, percentile, saturate

BATCH_EVENTS = 500
BATCH_CALLERS = 4
START_TIMEOUT_S = 30


@contextmanager
def gateway(upstream: str) -> Iterator[int]:
    """Run `analytics gateway` in front of a server, and yield its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    variables = {**os.environ, "PORT": str(port), "ANALYTICS_UPSTREAMS": upstream, "ANALYTICS_LOG_LEVEL": "warning"}
    process = subprocess.Popen([sys.executable, "-m", "server", "gateway"], env=variables)
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait()


def track(port: int, calls: int) -> Run:
    """Track single events by REST."""
    bodies = [_event_json(number) for number in range(calls)]
    return saturate_rest(port, "/analytics/events/track", bodies, CALLERS)


def batch(port: int, events: int) -> float:
    """Track batches by REST; return events a second."""
    bodies = [
        b'{"events":[' + b",".join(_event_json(number) for number in range(BATCH_EVENTS)) + b"]}"
        for _ in range(events // BATCH_EVENTS)
    ]
    return BATCH_EVENTS * saturate_rest(port, "/analytics/events/batch", bodies, BATCH_CALLERS).per_s


def _event_json(number: int) -> bytes:
    return json.dumps(MessageToDict(make_event(number)), separators=(",", ":")).encode()


def main() -> None:
    """Run the benchmark and print its figures; the last line is JSON."""
    arguments = argparse.ArgumentParser(description=__doc__, prog="python -m bench.gateway")
    arguments.add_argument("--calls", type=int, default=8_000, help="of Track a round (default 8,000)")
    arguments.add_argument("--events", type=int, default=30_000, help="in batches a round (default 30,000)")
    arguments.add_argument("--rounds", type=int, default=3, help="after one to warm up (default 3)")
    options = arguments.parse_args()
    figures: dict[str, list[float]] = {"rest": [], "direct": [], "p99": [], "batch": []}
    with service() as running, gateway(running.address) as port:
        for number in range(options.rounds + 1):
            rest = track(port, options.calls)
            direct = saturate(running.address, make_track_messages(options.calls))
            events_per_s = batch(port, options.events)
            p99 = percentile(rest.latencies_ms, 99)
            print(
                f"{f'round {number}' if number else 'warm-up'}  REST {rest.per_s:>6,.0f} of direct {direct:>6,.0f} "
                f"calls/s {rest.per_s / direct:.2f}   p99 {p99:.0f} ms   batch {events_per_s:>7,.0f} events/s   "
                f"load {os.getloadavg()[0]:.1f}",
                flush=True,
            )
            if number:
                for name, value in zip(figures, (rest.per_s, direct, p99, events_per_s), strict=True):
                    figures[name].append(value)
    medians = {name: statistics.median(values) for name, values in figures.items()}
    print(f"\nmachine  {describe_machine()}")
    print(f"load     {describe_load()}")
    print(f"command  python -m bench.gateway {' '.join(sys.argv[1:])}".rstrip())
    print(
        json.dumps(
            {
                "rest_track_rps": round(medians["rest"]),
                "direct_track_rps": round(medians["direct"]),
                "track_ratio": round(medians["rest"] / medians["direct"], 2),
                "rest_p99_ms": round(medians["p99"], 1),
                "rest_batch_events_per_s": round(medians["batch"]),
                "machine": describe_machine(),
            }
        )
    )


if __name__ == "__main__":
    main()
