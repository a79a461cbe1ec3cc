"""Every chaos scenario in its short form; `make chaos` runs them at full length."""

import pytest

from tests.chaos.result import Result
from tests.chaos.runner import run_short
from tests.chaos.scenarios import SCENARIOS


@pytest.fixture(scope="module")
def results() -> dict[str, Result]:
    """The results of all scenarios; they mostly wait, so some run at a time."""
    return {result.name: result for result in run_short(list(SCENARIOS))}


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_acknowledged_is_lost_or_stored_twice(results: dict[str, Result], name: str) -> None:
    """The service comes back by itself, and what clients were told agrees with what is stored."""
    result = results[name]
    assert result.problems == [], result.describe()
    assert result.acknowledged > 0
    assert (result.lost, result.twice) == (0, 0)
