"""Rankings: the most frequent things of a period, and how far their counts may be from the true ones.

What is left out of a ranking is lost to those it is merged into. So each carries one bound for all things, listed or
not ("Mergeable summaries", Agarwal et al. 2012): how much more often than told, or than never, any may have occurred.
"""

from collections.abc import Iterable
from decimal import Decimal
from operator import itemgetter
from typing import NamedTuple

MAX_RANKED = 1000
"""Tails are long: keeping all would make a rollup grow with what it counts."""
_COUNT = itemgetter(2)


class Ranking(NamedTuple):
    """The most frequent things of one period, most frequent first; parallel lists.

    Attributes:
        kinds, names: content types and ids, or currencies and conversion paths.
        counts: of views, or of purchases.
        amounts: revenue of paths; None of contents.
        error: no thing occurs more often than its count here, or zero, and this.
    """

    kinds: tuple[str, ...]
    names: tuple[str, ...]
    counts: tuple[int, ...]
    amounts: tuple[Decimal | None, ...]
    error: int


def merge_rankings(rankings: Iterable[Ranking]) -> Ranking:
    """Merge rankings of any periods into that of all of them; of one, put it in order and keep the first ones.

    Things of the same count are in the order of kind and name.
    """
    parts = list(rankings)
    error = sum(part.error for part in parts)
    if len(parts) == 1:
        (part,) = parts
        entries = list(zip(part.kinds, part.names, part.counts, part.amounts, strict=True))
    else:
        merged: dict[tuple[str, str], tuple[int, Decimal | None]] = {}
        for part in parts:
            for kind, name, count, amount in zip(part.kinds, part.names, part.counts, part.amounts, strict=True):
                known = merged.get((kind, name))
                if known is not None:
                    count += known[0]  # noqa: PLW2901 - the sum takes its place
                    amount = None if amount is None or known[1] is None else amount + known[1]  # noqa: PLW2901
                merged[kind, name] = (count, amount)
        entries = [(*key, *value) for key, value in merged.items()]
    if len(entries) > MAX_RANKED:
        # What is left out is let go before texts are compared.
        counts = sorted(map(_COUNT, entries), reverse=True)
        error += counts[MAX_RANKED]
        entries = [entry for entry in entries if entry[2] >= counts[MAX_RANKED - 1]]
    entries.sort()
    entries.sort(key=_COUNT, reverse=True)
    kinds, names, counts_kept, amounts = zip(*entries[:MAX_RANKED], strict=True) if entries else ((), (), (), ())
    return Ranking(kinds, names, counts_kept, amounts, error)
