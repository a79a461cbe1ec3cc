"""Runs the kit over all clients and ends with one line of JSON.

make conformance
"""

import argparse
import asyncio
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from clients.conformance.adapter import run_install
from clients.conformance.manifest import Manifest, find_manifests
from clients.conformance.run import SHORT, ClientRun, Extent, Outcome, describe, summary
from tests.acceptance.running import Service, free_port


def main() -> int:
    """Run the clients; the exit code is 1 unless every one of them kept its promise."""
    parser = argparse.ArgumentParser(prog="python -m clients.conformance", description=__doc__)
    parser.add_argument("--client", action="append", help="a client by its name; may be repeated (default: all)")
    parser.add_argument("--short", action="store_true", help="a few hundred events and short faults")
    parser.add_argument("--events", type=int, help="accepted events to reach with each client (default: 10,000)")
    parser.add_argument("--rate", type=int, help="events a second (default: 500)")
    options = parser.parse_args()
    given = {name: getattr(options, name) for name in ("events", "rate") if getattr(options, name)}
    extent = replace(SHORT if options.short else Extent(), **given)
    manifests = [one for one in find_manifests() if not options.client or one.name in options.client]
    with tempfile.TemporaryDirectory() as folder:
        outcomes = run_clients(manifests, extent, Path(folder))
    print(json.dumps(summary(outcomes)))
    return 0 if outcomes and all(outcome.holds for outcome in outcomes) else 1


def run_clients(manifests: list[Manifest], extent: Extent, folder: Path) -> list[Outcome]:
    """Run each client before one service, and print what each showed. A client that cannot be prepared is left out."""
    rest_port = free_port()
    outcomes = []
    with Service(folder / "data", PORT=str(rest_port), ANALYTICS_GATEWAY="auto") as service:
        for manifest in manifests:
            print(f"==> {manifest.name}: {extent.events:,} events at {extent.rate:,}/s", file=sys.stderr, flush=True)
            reason = asyncio.run(run_install(manifest))
            if reason:
                print(f"{manifest.name}: left out: {reason}", file=sys.stderr)
                continue
            run = ClientRun(manifest, extent, service.address, rest_port, folder / "state")
            outcomes.append(asyncio.run(run.run()))
            print("\n".join(describe(outcomes[-1])), file=sys.stderr, flush=True)
    return outcomes


if __name__ == "__main__":
    sys.exit(main())
