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

from bench.clients.batch_client import send_batches
from bench.clients.rest_client import Run, saturate_rest
from bench.clients.track_client import CALLERS, percentile, saturate, saturate_json
from bench.data.sample_events import make_event, make_track_messages
from bench.machine import describe_load, describe_machine, service
from sociallive.analytics.v1.track_pb2 import TrackEventsRequest

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
    process = subprocess.Popen([sys.executable, "-m", "cli", "gateway"], env=variables)
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
    """Track single events by REST, over as many connections of HTTP/1.1 as there are callers."""
    return saturate_rest(port, "/analytics/events/track", [_event_json(number) for number in range(calls)], CALLERS)


def batch(port: int, events: int) -> float:
    """Track batches by REST; return events a second."""
    bodies = [
        b'{"events":[' + b",".join(_event_json(number) for number in range(BATCH_EVENTS)) + b"]}"
        for _ in range(events // BATCH_EVENTS)
    ]
    return BATCH_EVENTS * saturate_rest(port, "/analytics/events/batch", bodies, BATCH_CALLERS).per_s


def direct_batch(address: str, events: int) -> float:
    """Track the same batches by gRPC, without the gateway; return events a second."""
    messages = [
        TrackEventsRequest(events=[make_event(number) for number in range(BATCH_EVENTS)]).SerializeToString()
        for _ in range(events // BATCH_EVENTS)
    ]
    return send_batches(address, messages, BATCH_CALLERS)


def _event_json(number: int) -> bytes:
    return json.dumps(MessageToDict(make_event(number)), separators=(",", ":")).encode()


def measure(address: str, port: int, options: argparse.Namespace, number: int) -> dict[str, float]:
    """Measure everything once; of the two sides of a ratio, each goes first in every other round."""
    events = [_event_json(event) for event in range(options.calls)]
    messages = make_track_messages(options.calls)
    if number % 2:
        rest = saturate_json(f"127.0.0.1:{port}", events)
        direct = saturate(address, messages)
    else:
        direct = saturate(address, messages)
        rest = saturate_json(f"127.0.0.1:{port}", events)
    http1 = track(port, options.calls)
    rest_batch = batch(port, options.events)
    grpc_batch = direct_batch(address, options.events)
    return {
        "rest_track_rps": rest,
        "direct_track_rps": direct,
        "track_ratio": rest / direct,
        "rest_http1_rps": http1.per_s,
        "rest_p99_ms": percentile(http1.latencies_ms, 99),
        "rest_batch_events_per_s": rest_batch,
        "grpc_batch_events_per_s": grpc_batch,
        "rest_batch_ratio": rest_batch / grpc_batch,
    }


def main() -> None:
    """Run the benchmark and print its figures; the last line is JSON."""
    arguments = argparse.ArgumentParser(description=__doc__, prog="python -m bench.gateway")
    arguments.add_argument("--calls", type=int, default=4_000, help="of Track a round (default 4,000)")
    arguments.add_argument("--events", type=int, default=30_000, help="in batches a round (default 30,000)")
    arguments.add_argument("--rounds", type=int, default=9, help="after one to warm up (default 9)")
    options = arguments.parse_args()
    rounds = []
    with service() as running, gateway(running.address) as port:
        for number in range(options.rounds + 1):
            at = measure(running.address, port, options, number)
            print(
                f"{f'round {number}' if number else 'warm-up'}  "
                f"REST {at['rest_track_rps']:>6,.0f} of direct {at['direct_track_rps']:>6,.0f} calls/s "
                f"{at['track_ratio']:.2f}   HTTP/1.1 {at['rest_http1_rps']:>6,.0f} calls/s, "
                f"p99 {at['rest_p99_ms']:.0f} ms   batches {at['rest_batch_events_per_s']:>7,.0f} of "
                f"{at['grpc_batch_events_per_s']:>7,.0f} events/s {at['rest_batch_ratio']:.2f}   "
                f"load {os.getloadavg()[0]:.1f}",
                flush=True,
            )
            if number:
                rounds.append(at)
    print(f"\nmachine  {describe_machine()}")
    print(f"load     {describe_load()}")
    print(f"command  python -m bench.gateway {' '.join(sys.argv[1:])}".rstrip())
    medians = {name: statistics.median(at[name] for at in rounds) for name in rounds[0]}
    figures = {name: round(value, 2 if name.endswith("ratio") else 0) for name, value in medians.items()}
    print(json.dumps({**figures, "machine": describe_machine()}))


if __name__ == "__main__":
    main()
