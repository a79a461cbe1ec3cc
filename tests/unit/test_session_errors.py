"""The error estimated from one sample of sessions, compared with the spread of the estimates of many samples."""

import random
import statistics
from collections.abc import Iterator, Sequence

import pytest

from storage.summaries.forms.session_sample import (
    LONGEST_US,
    PAUSE_US,
    SessionErrors,
    SessionSample,
    estimate_errors,
    estimate_sessions,
    make_sample,
)

pytestmark = pytest.mark.thorough

MAX_KEYS = 64
KEYS = 400
SAMPLES = 400
"""The spread of so many estimates is known within 4 % (standard error, 1 / sqrt(2 * 400))."""
AGREEMENT = 0.25
SECOND_US = 1_000_000

Stretch = tuple[int, int]
"""First and last event, in microseconds."""


@pytest.fixture(autouse=True, scope="module")
def _small_samples() -> Iterator[None]:
    """Let samples be small, so that many are quickly drawn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("storage.summaries.forms.session_sample.MAX_KEYS", MAX_KEYS)
        yield


def draw(population: Sequence[Sequence[Stretch]], *, is_inferred: bool, chance: random.Random) -> SessionSample:
    """Sample keys with these stretches by new hashes."""
    rows = sorted(
        (key, *stretch) for stretches in population for key in [chance.getrandbits(63)] for stretch in stretches
    )
    keys, firsts, lasts = zip(*rows, strict=True)
    return make_sample(keys, (is_inferred,) * len(keys), firsts, lasts)


def identified(chance: random.Random) -> list[list[Stretch]]:
    """Make sessions with an id: one a key, most of them short."""
    return [[(0, int(chance.expovariate(1 / 60) * SECOND_US))] for _ in range(KEYS)]


def of_actors(chance: random.Random) -> list[list[Stretch]]:
    """Make sessions without an id: from one to twenty of an actor, of like lengths."""
    population = []
    for _ in range(KEYS):
        length_us = int(chance.expovariate(1 / 60) * SECOND_US)
        starts = [place * (2 * PAUSE_US + length_us) for place in range(chance.choice([1, 1, 1, 20]))]
        population.append([(start, start + length_us) for start in starts])
    return population


def over_days(chance: random.Random) -> list[list[Stretch]]:
    """Make stretches of which some are cut into several sessions."""
    return [[(0, chance.choice([SECOND_US, 30 * SECOND_US, 9 * LONGEST_US]))] for _ in range(KEYS)]


@pytest.mark.parametrize(
    ("make", "is_inferred"),
    [
        pytest.param(identified, False, id="ids"),
        pytest.param(of_actors, True, id="actors"),
        pytest.param(over_days, True, id="cut"),
    ],
)
def test_errors_agree_with_how_far_apart_many_samples_lie(make: object, is_inferred: bool) -> None:  # noqa: FBT001 - a parameter
    """Of the number of sessions and of their mean length, where keys have one session or many."""
    assert callable(make)
    chance = random.Random(1)  # noqa: S311 - a test's chance
    population = make(chance)
    samples = [draw(population, is_inferred=is_inferred, chance=chance) for _ in range(SAMPLES)]
    figures = [estimate_sessions(sample) for sample in samples]
    errors = [estimate_errors(sample) for sample in samples]
    for seen, told in (
        ([one.sessions for one in figures], [error.sessions for error in errors]),
        ([one.length_us / one.sessions for one in figures], [error.mean_length for error in errors]),
    ):
        spread = statistics.stdev(seen) / statistics.fmean(seen)
        assert statistics.fmean(told) == pytest.approx(spread, rel=AGREEMENT)


@pytest.mark.parametrize("is_inferred", [False, True])
def test_a_sample_of_all_sessions_has_no_error(is_inferred: bool) -> None:  # noqa: FBT001 - a parameter
    """However few they are, and however different; one more is one too many."""
    chance = random.Random(2)  # noqa: S311 - a test's chance
    population = identified(chance)[: MAX_KEYS + 1]
    assert estimate_errors(SessionSample()) == SessionErrors(0, 0)
    whole = draw(population[:MAX_KEYS], is_inferred=is_inferred, chance=chance)
    assert len(whole.keys) == MAX_KEYS
    assert estimate_errors(whole) == SessionErrors(0, 0)
    cut = estimate_errors(draw(population, is_inferred=is_inferred, chance=chance))
    assert cut.sessions > 0
    assert cut.mean_length > 0


def test_sessions_that_come_together_make_no_estimate_better() -> None:
    """Ten sessions of each actor are drawn with him: their number is as uncertain as that of the actors."""
    chance = random.Random(3)  # noqa: S311 - a test's chance
    alone = [[(0, SECOND_US)]] * KEYS
    together = [[(place * 2 * PAUSE_US, place * 2 * PAUSE_US + SECOND_US) for place in range(10)]] * KEYS
    state = chance.getstate()
    of_one = draw(alone, is_inferred=True, chance=chance)
    chance.setstate(state)
    of_ten = draw(together, is_inferred=True, chance=chance)
    assert estimate_sessions(of_ten).sessions == pytest.approx(10 * estimate_sessions(of_one).sessions)
    assert estimate_errors(of_ten).sessions == pytest.approx(estimate_errors(of_one).sessions)
    assert estimate_errors(of_one).sessions == pytest.approx(MAX_KEYS**-0.5, rel=0.15)
    # All sessions last the same: whatever is drawn, the mean is right.
    assert estimate_errors(of_ten).mean_length == 0
