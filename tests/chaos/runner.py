"""Runs scenarios, alone or several on one stage."""

import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path

from tests.chaos.result import FULL, SHORT, Pace, Result
from tests.chaos.scenarios import SCENARIOS, SHARED_STAGES
from tests.chaos.stage import Stage

SHORT_AT_ONCE = 4
"""Short scenarios mostly wait, so some stages run at a time."""
MOST_SHOWN = 800
"""Characters of an error that are shown: its end, where a service that does not start says why."""


def run_full(names: Sequence[str], *, logs: Path | None = None) -> Iterator[Result]:
    """Run scenarios one after the other, each on a stage of its own, and yield their results as they come.

    Args:
        names: of the scenarios.
        logs: where to leave the services' logs and the clients' journals, in a folder for each stage.
    """
    for name in names:
        yield from run_stage([name], FULL, logs=logs)


def run_short(names: Sequence[str], *, logs: Path | None = None) -> Iterator[Result]:
    """Run scenarios in their short form; those that can share a stage do, and some stages run at a time.

    A stage stays on one thread for as long as it lasts, since a Postgres ends with the thread that started it.
    """
    stages = [wanted for shared in SHARED_STAGES if (wanted := [name for name in shared if name in names])]
    with ThreadPoolExecutor(SHORT_AT_ONCE, thread_name_prefix="chaos") as threads:
        yield from chain.from_iterable(threads.map(partial(run_stage, pace=SHORT, logs=logs), stages))


def run_stage(names: Sequence[str], pace: Pace, *, logs: Path | None = None) -> list[Result]:
    """Run scenarios on one stage; whatever goes wrong in one of them is among its result's problems."""
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix=f"chaos-{names[0]}-", ignore_cleanup_errors=True) as folder:
        with Stage(Path(folder), pace) as stage:
            while len(results) < len(names):
                started_s = time.monotonic()
                result = stage.begin(names[len(results)])
                results.append(result)
                try:
                    SCENARIOS[result.name](stage)
                except Exception as exc:  # noqa: BLE001 - one scenario must not end the others
                    result.problems.append(
                        f"broken off, nothing counted: {type(exc).__name__}: {str(exc)[-MOST_SHOWN:]}"
                    )
                    break  # who knows how the stage is left
                finally:
                    result.seconds = time.monotonic() - started_s
        if logs is not None:
            _keep_logs(Path(folder), logs / names[0])
    if len(results) < len(names):
        results += run_stage(names[len(results) :], pace, logs=logs)
    return results


def _keep_logs(folder: Path, kept: Path) -> None:
    kept.mkdir(parents=True, exist_ok=True)
    for pattern in ("*.log", "*.jsonl", "*/postgres.log"):
        for file in folder.glob(pattern):
            shutil.copyfile(file, kept / file.relative_to(folder).as_posix().replace("/", "-"))
