"""Frequencies: sound bounds however they are added up and cut, a fixed order of ties, and exact amounts."""

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.summaries.forms.frequencies import NO_THINGS, Frequencies, add_frequencies, find_most_frequent

Thing = tuple[str, str]
MOST_LISTED = 6
LISTED_AFTER_CUT = 4
THINGS: Sequence[Thing] = [(kind, name) for kind in ("a", "b") for name in "nopqrs"]
NEVER_SEEN: Thing = ("c", "z")


class Counted(NamedTuple):
    """Frequencies, and the exact counts of all that was added to them."""

    frequencies: Frequencies
    exact: Counter[Thing]


@pytest.fixture(autouse=True, scope="module")
def _few_listed() -> Iterator[None]:
    """Let lists be full soon."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("storage.summaries.forms.frequencies.MOST_LISTED", MOST_LISTED)
        patch.setattr("storage.summaries.forms.frequencies.LISTED_AFTER_CUT", LISTED_AFTER_CUT)
        yield


def price_of(thing: Thing) -> Decimal:
    """Tell the one price of a thing: what is paid for it follows from how often it is told."""
    return Decimal(THINGS.index(thing) + 1) / 10


def list_all(exact: Counter[Thing]) -> Frequencies:
    """List all things of a period, in the order in which they come."""
    return Frequencies(dict(exact), {thing: price_of(thing) * count for thing, count in exact.items()})


def add_counted(parts: Sequence[Counted]) -> Counted:
    """Add frequencies up and cut them, as they are stored; and what they count."""
    added = add_frequencies([part.frequencies for part in parts]).cut()
    return Counted(added, sum((part.exact for part in parts), Counter()))


PERIODS = st.dictionaries(st.sampled_from(THINGS), st.integers(1, 9)).map(Counter)
LEAVES = PERIODS.map(lambda exact: Counted(list_all(exact).cut(), exact))
TREES = st.recursive(LEAVES, lambda parts: st.lists(parts, max_size=4).map(add_counted), max_leaves=12)
"""Days of hours, months of days, and any other order in which what was cut before is added up again."""


@given(TREES)
def test_no_count_is_above_the_true_one_or_below_it_by_more_than_the_error(found: Counted) -> None:
    """Of things listed, left out at any step, or never seen; whatever was added to what."""
    told = found.frequencies.counts
    for thing in (*THINGS, NEVER_SEEN):
        assert told.get(thing, 0) <= found.exact[thing] <= told.get(thing, 0) + found.frequencies.error
    assert len(told) <= MOST_LISTED
    assert found.frequencies.agrees_with(list_all(found.exact))
    assert list_all(found.exact).agrees_with(found.frequencies)


@given(TREES, st.sampled_from(THINGS))
def test_what_is_out_of_bounds_does_not_agree(found: Counted, thing: Thing) -> None:
    """Too many of a thing, or too few."""
    told = found.frequencies
    too_many = Frequencies({**found.exact, thing: told.counts.get(thing, 0) + told.error + 1})
    assert not told.agrees_with(too_many)
    if told.counts.get(thing):
        assert not told.agrees_with(Frequencies({**found.exact, thing: told.counts[thing] - 1}))


@given(TREES)
def test_amounts_belong_to_the_counts_that_are_told(found: Counted) -> None:
    """Exactly, to the last digit."""
    assert found.frequencies.amounts == {
        thing: price_of(thing) * count for thing, count in found.frequencies.counts.items()
    }


@given(st.lists(PERIODS, min_size=1, max_size=5))
def test_nothing_is_lost_in_any_grouping(periods: list[Counter[Thing]]) -> None:
    """Adding up leaves nothing out; neither order nor steps matter."""
    parts = [list_all(exact) for exact in periods]
    whole = add_frequencies(parts)
    assert (whole.counts, whole.error) == (dict(sum(periods, Counter())), 0)
    assert whole == add_frequencies(parts[::-1])
    for place in range(len(parts)):
        assert whole == add_frequencies([add_frequencies(parts[:place]), add_frequencies(parts[place:])])


@given(PERIODS)
def test_the_error_of_one_period_is_the_greatest_count_left_out(exact: Counter[Thing]) -> None:
    """No larger than it must be, and none where nothing is left out."""
    found = list_all(exact).cut()
    assert found.error == max((exact[thing] for thing in exact.keys() - found.counts.keys()), default=0)
    assert len(found.counts) == (len(exact) if len(exact) <= MOST_LISTED else LISTED_AFTER_CUT)


def test_of_equals_at_the_cut_the_first_by_kind_and_name_stay() -> None:
    """In whatever order they come; what is left out occurs as often as what stays, and the error says so."""
    things = {(kind, name): 1 for kind in "ba" for name in "qpon"} | {("b", "z"): 2}
    for counts in (things, dict(reversed(things.items()))):
        found = Frequencies(counts).cut()
        assert list(found.counts) == [("b", "z"), ("a", "n"), ("a", "o"), ("a", "p")]
        assert found.error == 1


def test_nothing_adds_nothing() -> None:
    """No part, empty parts; what an empty part is known to lack is kept."""
    assert add_frequencies([]) == add_frequencies([NO_THINGS, Frequencies()]) == NO_THINGS
    assert add_frequencies([Frequencies(error=3), NO_THINGS, Frequencies(error=2)]) == Frequencies(error=5)
    assert add_frequencies([NO_THINGS, Frequencies({("a", "n"): 1})]) == Frequencies({("a", "n"): 1})


def test_amounts_add_up_exactly() -> None:
    """Decimals of any size."""
    amounts = ("0.1", "0.2", "99999999999999999.99")
    parts = [Frequencies({("EUR", "p"): 1}, {("EUR", "p"): Decimal(amount)}) for amount in amounts]
    assert add_frequencies(parts).amounts == {("EUR", "p"): Decimal("100000000000000000.29")}


@pytest.mark.parametrize("most", [0, 1, 2, 9])
def test_the_most_frequent_come_first_and_equals_in_their_own_order(most: int) -> None:
    """However many are asked for."""
    assert find_most_frequent({"b": 2, "c": 1, "a": 2, "d": 3}, most) == ["d", "a", "b", "c"][:most]
