"""Rollups: sums of raw events by hour, day, week and month, exact under late events, crashes and purges.

What holds at every commit: a live rollup of an hour equals the aggregate of the hour's raw rows but for its unfolded
deltas, a live rollup of a longer period equals the sum of its parts, and a frozen one stands for what has aged out.
"""

from storage.rollups.folding import FoldReport, fold, rebuild
from storage.rollups.freezing import close_day, drop_hours_and_days
from storage.rollups.periods import Timeframe
from storage.rollups.verification import Difference, Verification, verify

__all__ = [
    "Difference",
    "FoldReport",
    "Timeframe",
    "Verification",
    "close_day",
    "drop_hours_and_days",
    "fold",
    "rebuild",
    "verify",
]
