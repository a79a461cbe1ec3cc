"""The Python client at a rate: `track()` calls a second that it accepts, and whether all are stored in the end.

make bench-client
"""

import argparse
import json
import resource
import sys
import time
from typing import Any

import grpc

from bench.machine import describe_load, describe_machine, service
from sociallive.analytics.v1.analytics_service_pb2_grpc import AnalyticsServiceStub
from sociallive.analytics.v1.dashboard_pb2 import GetDashboardRequest
from sociallive_analytics import Analytics, Options

STEP_S = 0.01
"""The calls of each step are made at once, since no pause is as short as one call."""
FLUSH_S = 300.0
KIB = 1024


def track_at_rate(analytics: Analytics, rate: int, seconds: float) -> float:
    """Track views at a rate; return how long it took, which is longer on a machine that is too slow."""
    steps, calls = round(seconds / STEP_S), round(rate * STEP_S)
    started = time.monotonic()
    for step in range(steps):
        time.sleep(max(0.0, started + step * STEP_S - time.monotonic()))
        for number in range(calls):
            analytics.track("view", {"contentType": "post", "contentId": f"post-{number}"}, user_id=f"user-{number}")
    return time.monotonic() - started


def count_stored(address: str) -> int:
    """Ask the service how many events it stores."""
    with grpc.insecure_channel(address) as channel:
        stub: Any = AnalyticsServiceStub(channel)  # type: ignore[no-untyped-call]
        return int(stub.GetDashboard(GetDashboardRequest(timeframe="24h"), timeout=60).events)


def main() -> int:
    """Run the benchmark; the exit code is 1 if an event was dropped or is not stored."""
    arguments = argparse.ArgumentParser(description=__doc__, prog="python -m bench.client")
    arguments.add_argument("--rate", type=int, default=50_000, help="calls of track() a second (default 50,000)")
    arguments.add_argument("--seconds", type=float, default=10.0, help="how long (default 10)")
    options = arguments.parse_args()
    events = round(options.rate * STEP_S) * round(options.seconds / STEP_S)
    with service() as running:
        # The queue holds all: the service shares the machine, and catches up after the calls.
        with Analytics(running.address, Options(queue_events=events, queue_bytes=events * KIB)) as analytics:
            processor_s = time.thread_time()
            took_s = track_at_rate(analytics, options.rate, options.seconds)
            processor_s = time.thread_time() - processor_s
            pending = analytics.statistics().pending
            flushing = time.monotonic()
            analytics.flush(FLUSH_S)
            flush_s = time.monotonic() - flushing
            statistics = analytics.statistics()
        stored = count_stored(running.address)
    figures = {
        "calls": events,
        "calls_per_s": round(events / took_s),
        # On a machine that others use, this tells more than the rate: its inverse is what a free core reaches.
        "processor_us_per_call": round(processor_s / events * 1e6, 1),
        "dropped": statistics.dropped,
        "stored": stored,
        "pending_after_calls": pending,
        "flush_s": round(flush_s, 1),
        "stored_per_s": round(events / (took_s + flush_s)),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB / 1e6),
    }
    print(f"machine  {describe_machine()}\nload     {describe_load()}")
    print(f"command  python -m bench.client {' '.join(sys.argv[1:])}".rstrip())
    print(json.dumps(figures))
    return int(statistics.dropped > 0 or stored != events)


if __name__ == "__main__":
    sys.exit(main())
