"""Shows the service on real input: starts it, imports every purchase of a music store, prints the reports.

Run it with `make demo`. It keeps its data in .analytics-demo, so a second run finds every event already there. The last
line is one JSON document; the exit code is 0 when the totals are those of the data set.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from cli.client import CallError
from cli.operate.health import check_health

ROOT = Path(__file__).resolve().parents[1]
DATA_DIR = ROOT / ".analytics-demo"
SERVER_LOG = DATA_DIR / "server.log"
EXPECTED = {
    "events": 69659,
    "users": 23570,
    "revenue": "2500315.63",
    "cohort_sizes": [7846, 8476, 7248],
    "january_active": [7846, 1157, 964, 810, 679, 736],
    "january_revenue": ["299060.17", "61041.69", "50683.75"],
    "bought_again_on_a_later_day": 11516,
    "bought_again_after_7_days": 241,
    "bought_again_within_30_days": 4115,
}
"""The facts of the data set, as its source publishes them or as they are counted by hand."""
DAYS = ("--granularity", "day", "--from", "1997-01-01", "--to", "1997-04-01")
"""Everybody bought first in these months; the retention by days looks beyond them by itself."""
RANGE = ("--from", "1997-01-01", "--to", "1998-07-01")
START_TIMEOUT_S = 120.0
"""The first start makes the database, which takes some seconds even on a slow machine."""
STOP_TIMEOUT_S = 10.0
POLL_S = 0.1
LOG_LINES = 15
"""How much of the server's log is shown when it does not start."""


class DemoError(Exception):
    """The demo cannot go on; the message says why."""


def main() -> int:
    """Run the demo; return the exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with serving() as address:
            say(f"Importing examples/cdnow.csv.gz into the service at {address}")
            counts = json.loads(
                analytics(address, "import", "examples/cdnow.csv.gz", "--mapping", "examples/cdnow.toml", "--json")
            )
            say("The dashboard of the whole range")
            analytics(address, "report", "dashboard", *RANGE, shown=True)
            say("The newest events")
            analytics(address, "report", "events", *RANGE, "--limit", "10", shown=True)
            say("What the cohorts of each month did")
            analytics(address, "report", "cohort", *RANGE, "--granularity", "month", shown=True)
            say("How many came back")
            analytics(address, "report", "retention", *RANGE, "--granularity", "month", shown=True)
            found = read_facts(address)
    except KeyboardInterrupt:
        print("Interrupted; the demo's service has been stopped.", file=sys.stderr)
        return 130
    except DemoError as exc:
        print(f"demo: {exc}", file=sys.stderr)
        return 1
    kept = ("stored", "duplicates", "rejected", "events_per_s")
    print(json.dumps(found | {name: counts[name] for name in kept}), flush=True)
    if found != EXPECTED:
        print(f"demo: the facts should be {json.dumps(EXPECTED)}", file=sys.stderr)
        return 1
    return 0


def read_facts(address: str) -> dict[str, object]:
    """Ask the reports for every fact of the data set.

    Raises:
        DemoError: a report failed.
    """

    def report(name: str, *options: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(analytics(address, "report", name, *options, "--json"))
        return answer

    def returned(cell: int, *options: str) -> int:
        cohorts = report("retention", *DAYS, *options)["cohorts"]
        return sum(int(cohort["cells"][cell]["users"]) for cohort in cohorts)

    cohorts = report("cohort", *RANGE, "--granularity", "month")["cohorts"]
    january = cohorts[0]["periods"]
    return totals(report("dashboard", *RANGE)) | {
        "cohort_sizes": [int(cohort["size"]) for cohort in cohorts[:3]],
        "january_active": [int(period["users"]) for period in january[:6]],
        "january_revenue": [period["revenue"][0]["amount"] for period in january[:3]],
        "bought_again_on_a_later_day": returned(1, "--kind", "on_or_after", "--periods", "1"),
        "bought_again_after_7_days": returned(7, "--periods", "7"),
        "bought_again_within_30_days": returned(1, "--kind", "brackets", "--bracket", "1-30"),
    }


def totals(dashboard: dict[str, Any]) -> dict[str, object]:
    """Read the demo's three figures from the JSON of a dashboard."""
    revenue = [item["amount"] for item in dashboard["revenue"] if item["currency"] == "USD"]
    return {
        "events": int(dashboard["events"]),
        "users": int(dashboard["users"]),
        "revenue": revenue[0] if revenue else "0",
    }


@contextmanager
def serving() -> Iterator[str]:
    """Run `analytics serve` on a free port and a data directory of its own; yields HOST:PORT, stops it at the end.

    Raises:
        DemoError: it does not start.
    """
    DATA_DIR.mkdir(exist_ok=True)
    port = free_port()
    address = f"127.0.0.1:{port}"
    say(f"Starting the service at {address}, data in {DATA_DIR.name}, log in {SERVER_LOG.relative_to(ROOT)}")
    with SERVER_LOG.open("w") as log:
        server = subprocess.Popen(  # noqa: S603 - our own program
            [program(), "serve"], cwd=ROOT, env=environment(port), stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        wait_until_serving(server, address)
        yield address
    finally:
        stop(server)


def wait_until_serving(server: subprocess.Popen[bytes], address: str) -> None:
    """Wait until the health service answers SERVING.

    Raises:
        DemoError: the server ended before, or takes longer than START_TIMEOUT_S.
    """
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        if server.poll() is not None:
            break
        try:
            if check_health(address) == "SERVING":
                return
        except CallError:
            pass  # nobody listens yet
        time.sleep(POLL_S)
    tail = "\n".join(SERVER_LOG.read_text(errors="replace").splitlines()[-LOG_LINES:])
    raise DemoError(f"the service did not start; the end of its log:\n{tail}")


def stop(server: subprocess.Popen[bytes]) -> None:
    """Stop the server: politely, and after STOP_TIMEOUT_S for certain."""
    server.terminate()
    try:
        server.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def analytics(address: str, *arguments: str, shown: bool = False) -> str:
    """Run an `analytics` command; its messages and progress go to the terminal.

    Args:
        address: HOST:PORT of the service.
        arguments: the command and its options.
        shown: whether its output goes to the terminal too, instead of being returned.

    Raises:
        DemoError: the command failed.
    """
    done = subprocess.run(  # noqa: S603 - our own program
        [program(), *arguments, "--address", address],
        cwd=ROOT,
        stdout=None if shown else subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DemoError(f"`analytics {' '.join(arguments)}` ended with {done.returncode}")
    return done.stdout or ""


def environment(port: int) -> dict[str, str]:
    """Return the server's environment: none of the caller's settings reach the demo."""
    ours = {"DATABASE_URL", "GRPC_PORT", "PORT"}
    inherited = {
        name: value for name, value in os.environ.items() if name not in ours and not name.startswith("ANALYTICS_")
    }
    return inherited | {
        "ANALYTICS_DATA_DIR": str(DATA_DIR),
        "ANALYTICS_RETENTION_RAW_DAYS": "0",
        "ANALYTICS_GATEWAY": "off",
        "ANALYTICS_WORKERS": "1",
        "GRPC_PORT": str(port),
        "ANALYTICS_ADMIN_PORT": "0",
    }


def free_port() -> int:
    """Find a free port, so that the demo runs beside a service of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def program() -> str:
    """Return the `analytics` program of this Python."""
    return str(Path(sys.executable).with_name("analytics"))


def say(line: str) -> None:
    """Print a heading, before whatever the next program prints."""
    print(f"\n==> {line}", flush=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
