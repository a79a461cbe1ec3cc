"""Three schedulers and a tick a second for 15 s; `make chaos-jobs` has them for a minute."""

import pytest

from tests.chaos.schedulers import MOST_MISSED, SCHEDULERS, run_schedulers


@pytest.mark.slow
async def test_each_tick_runs_once_and_is_taken_over_when_its_runner_is_killed(database_url: str) -> None:
    """Two runners are killed in the middle of a run; nobody runs a tick a second time."""
    figures = await run_schedulers(database_url, seconds=15, kill_every_s=5)
    assert figures.ran_twice == 0, figures
    assert figures.most_missed <= MOST_MISSED, figures
    assert figures.killed == 2
    assert 2 <= figures.runners <= SCHEDULERS + figures.killed
