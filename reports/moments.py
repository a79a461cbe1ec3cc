"""Moments as tables of events hold them, microseconds since 1970 (UTC), and the periods that they lie in."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

Integers = np.ndarray[Any, np.dtype[np.int64]]
NEVER = np.iinfo(np.int64).max
"""Later than all moments."""
MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_us(moment: datetime) -> int:
    """Turn a moment into microseconds."""
    return (moment - _EPOCH) // MICROSECOND


def to_datetime(at_us: int) -> datetime:
    """Turn microseconds into a moment."""
    return _EPOCH + at_us * MICROSECOND


def latest(one: datetime | None, other: datetime | None) -> datetime | None:
    """Choose the later one of two moments, each of which may be missing."""
    return max((moment for moment in (one, other) if moment is not None), default=None)


class PeriodNumbers:
    """Finds which period a moment lies in, in one division and two look-ups, however many periods there are.

    It looks them up in a grid whose cells are as wide as the shortest period: at most one period begins within a cell.

    Args of the constructor:
        bounds: where periods begin, ascending, and where the last one ends; at least two.

    Example:
        >>> days = PeriodNumbers([datetime(2026, 3, day, tzinfo=UTC) for day in (1, 2, 3)])
        >>> days.of(np.array([to_us(datetime(2026, 3, day, 12, tzinfo=UTC)) for day in (1, 2, 3, 4)]))
        array([0, 1, 2, 2])
    """

    def __init__(self, bounds: Sequence[datetime]) -> None:
        starts = np.array([to_us(bound) for bound in bounds])
        self._first: int = starts[0]
        self._width: int = np.diff(starts).min()
        cells = np.arange(starts[0], starts[-1] + self._width, self._width)
        self._number = np.searchsorted(starts, cells, side="right") - 1
        self._starts = np.append(starts, NEVER)

    def of(self, at_us: Integers) -> Integers:
        """Number the periods of moments from 0.

        Moments before the first period count as in it; those after the last one have the number after its.
        """
        cell = (at_us - self._first) // self._width
        number = self._number.take(cell, mode="clip")
        found: Integers = number + (at_us >= self._starts[number + 1])
        return found
