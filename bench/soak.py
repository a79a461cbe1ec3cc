"""Stream millions of events in and watch rate and memory; run it with `make bench-soak`.

The service runs with one worker on a fresh embedded Postgres, and a client streams into it without a pause. Events
count when their stream has been answered, which is after their commit.
"""

import argparse
import json
import sys

from bench.clients.batch_client import STREAMS, stream_events
from bench.data.sample_events import EVENTS_PER_MESSAGE, make_pool
from bench.machine import describe_load, describe_machine, service

LEAST_EVENTS = 4 * STREAMS * EVENTS_PER_MESSAGE
EVENTS_PER_STEP = 500_000
STEPS_PER_SPAN = 2
"""The first and the last million are compared, and memory from the end of the first on."""


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    arguments = argparse.ArgumentParser(description=__doc__, prog="python -m bench.soak")
    arguments.add_argument("--events", type=int, default=5_000_000, help="to stream in (default 5,000,000)")
    options = arguments.parse_args()
    if options.events < LEAST_EVENTS:
        arguments.error(f"--events: at least {LEAST_EVENTS:,}")
    return options


def main() -> None:
    """Run the soak and print its figures; the last line is JSON."""
    options = parse_options()
    # Fewer events than four steps, in a short run, are cut into shorter steps.
    step = min(EVENTS_PER_STEP, options.events // (2 * STEPS_PER_SPAN))
    step -= step % (STREAMS * EVENTS_PER_MESSAGE)
    steps = options.events // step
    print(f"machine  {describe_machine()}")
    print(f"command  python -m bench.soak {' '.join(sys.argv[1:])}".rstrip())
    print(f"{'events':>10} {'events/s':>10} {'RSS, MB':>8}  load")
    seconds: list[float] = []
    rss_mb: list[float] = []
    pool = make_pool()
    with service() as running:
        for number in range(1, steps + 1):
            rate = stream_events(running.address, pool, step)
            seconds.append(step / rate)
            rss_mb.append(running.rss_mb())
            print(f"{number * step:10,} {rate:10,.0f} {rss_mb[-1]:8.0f}  {describe_load()}", flush=True)
    rate_first = STEPS_PER_SPAN * step / sum(seconds[:STEPS_PER_SPAN])
    rate_last = STEPS_PER_SPAN * step / sum(seconds[-STEPS_PER_SPAN:])
    rss_first_mb, rss_last_mb = rss_mb[STEPS_PER_SPAN - 1], rss_mb[-1]
    print(
        json.dumps(
            {
                "events": steps * step,
                "rate_first": round(rate_first),
                "rate_last": round(rate_last),
                "rate_ratio": round(rate_last / rate_first, 2),
                "rss_first_mb": round(rss_first_mb),
                "rss_last_mb": round(rss_last_mb),
                "rss_growth_mb": round(rss_last_mb - rss_first_mb),
                "machine": describe_machine(),
            }
        )
    )


if __name__ == "__main__":
    main()
