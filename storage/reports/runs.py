"""Runs: neighbouring rows of a sorted table that belong together, as those of one actor do."""

from collections.abc import Iterator
from typing import Any

import numpy as np

Flags = np.ndarray[Any, np.dtype[np.bool_]]

ROWS_AT_ONCE = 1 << 16
"""So many rows of some columns fit a processor's cache, and take no memory to speak of."""


def starts_run(*keys: np.ndarray[Any, Any]) -> Flags:
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


def ends_run(*keys: np.ndarray[Any, Any]) -> Flags:
    """Tell for each row whether one of its keys differs from the row's after."""
    found = np.zeros(len(keys[0]), bool)
    found[-1:] = True
    for key in keys:
        found[:-1] |= key[1:] != key[:-1]
    return found


def portions(rows: int) -> Iterator[slice]:
    """Cut so many rows into portions, at least one, for work that needs no whole actors."""
    for start in range(0, max(rows, 1), ROWS_AT_ONCE):
        yield slice(start, start + ROWS_AT_ONCE)
