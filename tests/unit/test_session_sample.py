"""Samples of sessions: exact while they are few, uniform beyond, and the same in whatever parts they come."""

import random

import numpy as np
import pytest

from storage.summaries.forms.session_sample import (
    LONGEST_US,
    MAX_KEYS,
    NO_THRESHOLD,
    PAUSE_US,
    SessionFigures,
    SessionSample,
    estimate_sessions,
    make_sample,
    make_samples,
    merge_samples,
)

STANDARD_ERROR = MAX_KEYS**-0.5


def sample_of(*segments: tuple[int, bool, int, int]) -> SessionSample:
    """Make the sample of (key, inferred, first, last)."""
    return merge_samples(make_sample([key], [inferred], [first], [last]) for key, inferred, first, last in segments)


def some_sessions(count: int, seed: int) -> list[tuple[int, bool, int, int]]:
    """Draw sessions of a minute on average."""
    chance = random.Random(seed)  # noqa: S311 - a test's chance
    return [(chance.getrandbits(63), False, 0, chance.randrange(120_000_000)) for _ in range(count)]


def test_nothing_is_no_session() -> None:
    """Also merged with nothing."""
    assert merge_samples([]) == SessionSample()
    assert estimate_sessions(merge_samples([SessionSample(), SessionSample()])) == SessionFigures(0, 0, is_exact=True)


def test_a_session_id_is_one_session_however_long() -> None:
    """From its first event to its last, in any order."""
    sample = sample_of((5, False, 9 * PAUSE_US, 10 * PAUSE_US), (5, False, 0, 1), (7, False, 3, 3))
    assert estimate_sessions(sample) == SessionFigures(2, 10 * PAUSE_US, is_exact=True)


@pytest.mark.parametrize(("pause_us", "sessions"), [(PAUSE_US - 1, 1), (PAUSE_US, 2)])
def test_an_actors_session_ends_with_half_an_hour_of_nothing(pause_us: int, sessions: int) -> None:
    """To the microsecond, whatever part knows of which event."""
    sample = sample_of((5, True, 100 + pause_us, 200 + pause_us), (5, True, 0, 100))
    assert estimate_sessions(sample).sessions == sessions


def test_an_actors_session_is_cut_after_a_day() -> None:
    """Half hours without a pause."""
    halves = [(5, True, place * PAUSE_US, (place + 1) * PAUSE_US - 1) for place in range(49)]
    assert estimate_sessions(sample_of(*halves[:48])) == SessionFigures(1, LONGEST_US - 1, is_exact=True)
    assert estimate_sessions(sample_of(*halves)).sessions == 2


@pytest.mark.parametrize("parts", [1, 2, 30])
def test_parts_merge_into_the_sample_of_all(parts: int) -> None:
    """In any order, and in two steps as well."""
    sessions = some_sessions(5_000, seed=parts)
    merged = merge_samples(sample_of(*sessions[part::parts]) for part in range(parts))
    assert merged == sample_of(*sessions)
    assert merged == merge_samples([merged, sample_of(*sessions[:parts])])
    assert len(set(merged.keys.tolist())) == MAX_KEYS
    assert max(merged.keys) < merged.threshold < NO_THRESHOLD


@pytest.mark.parametrize("count", [MAX_KEYS, 3_000, 50_000])
def test_an_estimate_lies_within_four_standard_errors(count: int) -> None:
    """Of how many there are and how long they are; up to the bound it is exact."""
    sessions = some_sessions(count, seed=count)
    figures = estimate_sessions(sample_of(*sessions))
    length_us = sum(last - first for _, _, first, last in sessions)
    assert figures.is_exact is (count == MAX_KEYS)
    assert figures.sessions == pytest.approx(count, rel=4 * STANDARD_ERROR if count > MAX_KEYS else 0)
    mean_us = figures.length_us / figures.sessions
    assert mean_us == pytest.approx(length_us / count, rel=4 * STANDARD_ERROR if count > MAX_KEYS else 1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_few_sessions_added_to_many_make_the_sample_of_all(seed: int) -> None:
    """Whether they are of sessions that are known, of new ones, or above the threshold."""
    chance = random.Random(seed)  # noqa: S311 - a test's chance
    stretches = []
    for _ in range(3_000):
        key, first = chance.randrange(MAX_KEYS + 200), chance.randrange(100) * PAUSE_US
        stretches.append((key, key % 3 == 0, first, first + chance.randrange(PAUSE_US)))
    added = 3_000 - chance.randrange(1, 100)
    merged = merge_samples([sample_of(*stretches[:added]), *(sample_of(one) for one in stretches[added:])])
    assert merged == sample_of(*stretches)


@pytest.mark.parametrize("seed", range(20))
def test_a_few_sessions_merge_like_many(seed: int) -> None:
    """Whether they come one after the other or all at once: keys above the threshold, pauses, repeated keys."""
    chance = random.Random(seed)  # noqa: S311 - a test's chance
    stretches = []
    for _ in range(chance.randrange(2, 16)):
        first = chance.randrange(5) * PAUSE_US
        stretches.append((chance.randrange(4), chance.random() < 0.5, first, first + chance.randrange(2 * PAUSE_US)))
    together = make_sample(*map(list, zip(*stretches, strict=True)))
    assert sample_of(*stretches) == together
    cut = SessionSample(2)
    assert merge_samples([*(sample_of(one) for one in stretches), cut]) == merge_samples([together, cut])
    below = [one for one in stretches if one[0] < 2]
    assert merge_samples([together, cut]).rows == sample_of(*below).rows


def test_groups_are_sampled_as_each_alone() -> None:
    """Large and small ones, and one without sessions."""
    groups = [some_sessions(count, seed=count) for count in (3, 0, 2_000, 1)]
    keys, inferred, firsts, lasts = (
        np.array(column) for column in zip(*(one for some in groups for one in some), strict=True)
    )
    places = np.repeat(np.arange(4), [len(some) for some in groups])
    assert make_samples(keys, inferred, firsts, lasts, places, 4) == [sample_of(*some) for some in groups]
