"""Rankings: sound bounds however they are merged, a fixed order of ties, and exact amounts."""

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.rollups.forms.ranking import Ranking, merge_rankings

Thing = tuple[str, str]
MAX_RANKED = 4
THINGS: Sequence[Thing] = [(kind, name) for kind in ("a", "b") for name in "nopqrs"]
NEVER_SEEN: Thing = ("c", "z")
EMPTY = Ranking((), (), (), (), 0)


class Counted(NamedTuple):
    """A ranking, and the exact counts of all that was merged into it."""

    ranking: Ranking
    exact: Counter[Thing]


@pytest.fixture(autouse=True, scope="module")
def _few_ranked() -> Iterator[None]:
    """Let rankings be full soon."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("storage.rollups.forms.ranking.MAX_RANKED", MAX_RANKED)
        yield


def price_of(thing: Thing) -> Decimal:
    """Tell the one price of a thing: what is paid for it follows from how often it is told."""
    return Decimal(THINGS.index(thing) + 1) / 10


def list_all(exact: Counter[Thing]) -> Ranking:
    """List all things of a period, in the order in which they come."""
    return Ranking(
        tuple(kind for kind, _ in exact),
        tuple(name for _, name in exact),
        tuple(exact.values()),
        tuple(price_of(thing) * count for thing, count in exact.items()),
        0,
    )


def rank(*things: tuple[str, str, int]) -> Ranking:
    """List (kind, name, count), without amounts."""
    kinds, names, counts = zip(*things, strict=True)
    return Ranking(kinds, names, counts, (None,) * len(things), 0)


def counts_of(ranking: Ranking) -> dict[Thing, int]:
    """Read the counts of what is listed."""
    return dict(zip(zip(ranking.kinds, ranking.names, strict=True), ranking.counts, strict=True))


def merge_counted(parts: Sequence[Counted]) -> Counted:
    """Merge rankings, and add up what they rank."""
    return Counted(merge_rankings(part.ranking for part in parts), sum((part.exact for part in parts), Counter()))


PERIODS = st.dictionaries(st.sampled_from(THINGS), st.integers(1, 9)).map(Counter)
LEAVES = PERIODS.map(lambda exact: Counted(merge_rankings([list_all(exact)]), exact))
TREES = st.recursive(LEAVES, lambda parts: st.lists(parts, max_size=4).map(merge_counted), max_leaves=12)
"""Days of hours, months of days, and any other order in which what was cut off before is merged again."""


@given(TREES)
def test_no_count_is_above_the_true_one_or_below_it_by_more_than_the_error(found: Counted) -> None:
    """Of things listed, left out at any step, or never seen; whatever was merged into what."""
    told = counts_of(found.ranking)
    for thing in (*THINGS, NEVER_SEEN):
        assert told.get(thing, 0) <= found.exact[thing] <= told.get(thing, 0) + found.ranking.error
    assert len(told) == len(found.ranking.counts) <= MAX_RANKED


@given(TREES)
def test_the_most_frequent_come_first_and_equals_by_kind_and_name(found: Counted) -> None:
    """So the same things make the same ranking."""
    told = counts_of(found.ranking)
    assert list(told) == sorted(told, key=lambda thing: (-told[thing], thing))


@given(TREES)
def test_amounts_belong_to_the_counts_that_are_told(found: Counted) -> None:
    """Exactly, to the last digit."""
    for thing, amount in zip(counts_of(found.ranking), found.ranking.amounts, strict=True):
        assert amount == price_of(thing) * counts_of(found.ranking)[thing]


@given(st.lists(PERIODS, min_size=1, max_size=5))
def test_what_fits_is_exact_in_any_grouping(periods: list[Counter[Thing]]) -> None:
    """Where nothing is left out there is no error, and neither order nor steps matter."""
    few = [Counter({thing: exact[thing] for thing in THINGS[:MAX_RANKED] if exact[thing]}) for exact in periods]
    parts = [merge_rankings([list_all(exact)]) for exact in few]
    whole = merge_rankings(parts)
    assert (counts_of(whole), whole.error) == (dict(sum(few, Counter())), 0)
    assert whole == merge_rankings(parts[::-1])
    for place in range(len(parts)):
        assert whole == merge_rankings([merge_rankings(parts[:place]), merge_rankings(parts[place:])])


@given(PERIODS)
def test_the_error_of_one_period_is_the_greatest_count_left_out(exact: Counter[Thing]) -> None:
    """No larger than it must be."""
    ranking = merge_rankings([list_all(exact)])
    assert ranking.counts == tuple(sorted(exact.values(), reverse=True)[:MAX_RANKED])
    assert ranking.error == max((exact[thing] for thing in exact.keys() - counts_of(ranking).keys()), default=0)


def test_errors_add_up_and_what_is_cut_off_again_adds_its_count() -> None:
    """Of three parts, one of which was exact."""
    first = rank(("a", "n", 5), ("a", "o", 4))._replace(error=2)
    second = rank(("a", "p", 3), ("a", "n", 1))._replace(error=7)
    third = rank(("a", "q", 2), ("a", "r", 1))
    merged = merge_rankings([first, second, third])
    assert counts_of(merged) == {("a", "n"): 6, ("a", "o"): 4, ("a", "p"): 3, ("a", "q"): 2}
    assert merged.error == 2 + 7 + 1


def test_of_equals_at_the_cut_the_first_by_kind_and_name_stay() -> None:
    """In whatever order they come; what is left out occurs as often as what stays, and the error says so."""
    things = [("b", "n", 1), ("a", "q", 1), ("a", "p", 2), ("b", "o", 1), ("a", "o", 1), ("a", "n", 1)]
    expected = [("a", "p"), ("a", "n"), ("a", "o"), ("a", "q")]
    halves = [rank(*things[:3]), rank(*things[3:])]
    for parts in ([rank(*things)], [rank(*things[::-1])], halves, halves[::-1]):
        merged = merge_rankings(parts)
        assert list(counts_of(merged)) == expected
        assert merged.error == 1


def test_nothing_ranks_nothing() -> None:
    """No part, empty parts; what an empty part is known to lack is kept."""
    assert merge_rankings([]) == merge_rankings([EMPTY]) == merge_rankings([EMPTY, EMPTY]) == EMPTY
    assert merge_rankings([EMPTY._replace(error=3), EMPTY]) == EMPTY._replace(error=3)
    assert merge_rankings([EMPTY, rank(("a", "n", 1))]) == rank(("a", "n", 1))


def test_amounts_add_up_exactly_or_are_absent() -> None:
    """Decimals of any size; contents have none."""
    parts = [
        Ranking(("EUR",), ("p",), (1,), (Decimal(amount),), 0) for amount in ("0.1", "0.2", "99999999999999999.99")
    ]
    assert merge_rankings(parts).amounts == (Decimal("100000000000000000.29"),)
    assert merge_rankings([rank(("a", "n", 1)), rank(("a", "n", 2))]).amounts == (None,)
