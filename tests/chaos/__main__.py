"""Run the chaos scenarios: `python -m tests.chaos [--only NAME] [--short] [--logs FOLDER] [--list]`.

Prints a line for each scenario and, last, one line of JSON; ends with code 1 when anything does not hold.
"""

import argparse
import json
import signal
import sys
from pathlib import Path

from runtime.logging import configure_logging
from tests.chaos.result import summarize
from tests.chaos.runner import run_full, run_short
from tests.chaos.scenarios import SCENARIOS


def say(text: str) -> None:
    """Print at once, also into a pipe."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    """Run what the command line asks for, and return the exit code."""
    arguments = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    arguments.add_argument(
        "--only", action="append", choices=SCENARIOS, metavar="NAME", help="one scenario, or several"
    )
    arguments.add_argument("--short", action="store_true", help="outages of some seconds, as in `make test-slow`")
    arguments.add_argument("--logs", type=Path, metavar="FOLDER", help="where to leave logs and journals")
    arguments.add_argument("--list", action="store_true", help="say what there is")
    options = arguments.parse_args()
    if options.list:
        for name, scenario in SCENARIOS.items():
            say(f"{name}\n    {' '.join((scenario.__doc__ or '').split())}")
        return 0
    configure_logging(level="error", form="console", process="chaos")
    # Ending the harness must also end everything that it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    run = run_short if options.short else run_full
    results = []
    for result in run(options.only or list(SCENARIOS), logs=options.logs):
        say(result.describe())
        results.append(result)
    say(json.dumps(summarize(results)))
    return 1 if any(result.problems for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
