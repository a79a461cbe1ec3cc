"""Runs: neighbouring rows of a sorted table that belong together, as those of one actor do."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

Flags = np.ndarray[Any, np.dtype[np.bool_]]
Numbers = np.ndarray[Any, np.dtype[np.int32]]
Array = np.ndarray[Any, Any]

ROWS_AT_ONCE = 1 << 16
"""So many rows of a few columns stay in a processor's cache while they are computed with."""


def starts_run(*keys: Array) -> Flags:
    """Tell for each row whether one of its keys differs from the row's before.

    Example:
        >>> starts_run(np.array([7, 7, 7, 9]), np.array([1, 1, 2, 2]))
        array([ True, False,  True,  True])
    """
    found = np.zeros(len(keys[0]), bool)
    found[:1] = True
    for key in keys:
        found[1:] |= key[1:] != key[:-1]
    return found


def ends_run(*keys: Array) -> Flags:
    """Tell for each row whether one of its keys differs from the row's after."""
    found = np.zeros(len(keys[0]), bool)
    found[-1:] = True
    for key in keys:
        found[:-1] |= key[1:] != key[:-1]
    return found


def number_runs(key: Array) -> Numbers:
    """Number the runs of a key from 0; each row has the number of its own."""
    return np.cumsum(starts_run(key), dtype=np.int32) - np.int32(1)


def whole_runs(numbers: Array) -> Iterator[slice]:
    """Cut rows into portions of some ROWS_AT_ONCE that end where a run does; a long run makes a large portion.

    Args:
        numbers: of each row's run, ascending.
    """
    start = 0
    while start < len(numbers):
        last = numbers[min(start + ROWS_AT_ONCE, len(numbers)) - 1]
        end = int(np.searchsorted(numbers, last, side="right"))
        yield slice(start, end)
        start = end


def portions(rows: int) -> Iterator[slice]:
    """Cut so many rows into portions of ROWS_AT_ONCE, at least one, for work that needs no whole runs."""
    for start in range(0, max(rows, 1), ROWS_AT_ONCE):
        yield slice(start, min(start + ROWS_AT_ONCE, rows))


def in_portions(find: Callable[[slice], Sequence[Array]], rows: slice) -> list[Array]:
    """Call a function for one portion of some rows after the other, and join each array that it returns."""
    parts = portions(rows.stop - rows.start)
    found = [find(slice(rows.start + part.start, rows.start + part.stop)) for part in parts]
    return [np.concatenate(arrays) for arrays in zip(*found, strict=True)]
