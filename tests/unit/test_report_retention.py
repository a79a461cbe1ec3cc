"""Retention's mean: whose shares it weighs, and where it ends."""

from hypothesis import given
from hypothesis import strategies as st

from server.reports.retention import mean_shares
from sociallive.analytics.v1.retention_pb2 import RetentionCell, RetentionCohort
from tests.oracle.retention import weighted_mean

CELLS = 5

Cohort = tuple[int, list[tuple[int, bool]]]
"""How many actors are in it, and for each cell who filled it and whether it is complete."""


@st.composite
def drawn_cohorts(choose: st.DrawFn) -> list[Cohort]:
    """Draw cohorts, some empty, whose cells are complete up to one of them."""
    found = []
    for _ in range(choose(st.integers(0, 4))):
        size, complete = choose(st.integers(0, 3)), choose(st.integers(0, CELLS))
        returned = [size, *choose(st.lists(st.integers(0, size), min_size=CELLS - 1, max_size=CELLS - 1))]
        found.append((size, [(users, place < complete) for place, users in enumerate(returned)]))
    return found


def mean_of(cohorts: list[Cohort]) -> list[float]:
    """Ask for the mean of cohorts."""
    return mean_shares(
        [
            RetentionCohort(
                size=size,
                cells=[RetentionCell(index=n, users=users, complete=done) for n, (users, done) in enumerate(cells)],
            )
            for size, cells in cohorts
        ]
    )


@given(cohorts=drawn_cohorts())
def test_the_mean_is_of_those_that_have_had_the_time(cohorts: list[Cohort]) -> None:
    """It has a share for each cell that somebody can have filled, and none after."""
    expected = [weighted_mean(cohorts, cell) for cell in range(CELLS)]
    assert mean_of(cohorts) == [float(share) for share in expected if share is not None]
    assert None not in expected[: len(mean_of(cohorts))]


def test_a_mean_of_nobody_is_none_and_not_zero() -> None:
    """An empty cohort is complete, but tells nothing; one with actors whose period is under way does not yet."""
    empty: Cohort = (0, [(0, True)] * CELLS)
    young: Cohort = (4, [(4, True), (1, True), (1, False), (0, False), (0, False)])
    assert mean_of([empty]) == []
    assert mean_of([empty, young]) == [1.0, 0.25]
