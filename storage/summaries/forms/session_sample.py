"""Samples of sessions: how many a range has, and how long they are, from those with the smallest hashes.

Neither adds up: a session has events in several hours, and where clients send no session id, only all hours together
tell where one ends. But a sample by hash merges: each part knows all that happened to the keys below its threshold, so
the parts together know all about the keys below the lowest one (theta sketches: Dasgupta et al., "A framework for
estimating stream expression cardinalities", 2016). A key is a session id, or an actor for its events without one.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from struct import Struct
from typing import Any, NamedTuple, TypeAlias

import numpy as np

MAX_KEYS = 1024
"""All that is told of fewer keys is exact; of more, counts have a standard error of 1 / sqrt(1024) = 3.1 %."""
NO_THRESHOLD = 2**63 - 1
"""Above all keys: nothing is left out."""
PAUSE_US = 30 * 60 * 1_000_000
"""A session without id ends when its actor does nothing for so long."""
LONGEST_US = 24 * 60 * 60 * 1_000_000
"""A session without id is cut when it has lasted so long."""
FEW_ROWS = 16
"""What numpy takes for any number of rows, a loop takes for as many."""
ROW_BYTES = 24
_ROW = Struct("<Qqq")
_KEY, _FIRST, _LAST = range(3)
Integers: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]
Flags: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]
_Keys: TypeAlias = np.ndarray[Any, np.dtype[np.uint64]]
_Rows: TypeAlias = np.ndarray[tuple[int, int], np.dtype[np.int64]]


class SessionSample(NamedTuple):
    """When the sessions with the smallest keys were active; equal samples are equal bytes.

    Attributes:
        threshold: all that happened to keys below it is here, and nothing of the others.
        rows: three little-endian numbers of 64 bits each, ascending by the first two: the key, in whose lowest bit
            stands whether it is an actor's, and the times of the first and the last event, in microseconds since 1970.
            The other 63 bits of the key are of the hash of a session id, or of an actor id. An actor's may occur
            several times.
    """

    threshold: int = NO_THRESHOLD
    rows: bytes = b""

    @property
    def keys(self) -> _Keys:
        """The key of each row, without the lowest bit."""
        return self._column(_KEY).view(np.uint64) >> np.uint64(1)

    @property
    def inferred(self) -> Flags:
        """Of each row, whether its key is an actor's."""
        return (self._column(_KEY) & 1).astype(np.bool_)

    @property
    def lengths_us(self) -> Integers:
        """How long each row lasts, in microseconds."""
        rows = _read(self.rows)
        return rows[:, _LAST] - rows[:, _FIRST]

    def _column(self, place: int) -> Integers:
        return np.ascontiguousarray(_read(self.rows)[:, place])


class SessionFigures(NamedTuple):
    """Sessions, and how long they are altogether in microseconds; estimates unless all sessions are in the sample."""

    sessions: float
    length_us: float
    is_exact: bool


class SessionErrors(NamedTuple):
    """Standard errors of the number of sessions and of their mean length, as shares of them."""

    sessions: float
    mean_length: float


def make_sample(
    hashes: "Sequence[int] | Integers",
    inferred: "Sequence[bool] | Flags",
    firsts: "Sequence[int] | Integers",
    lasts: "Sequence[int] | Integers",
) -> SessionSample:
    """Make the sample of some sessions; arguments are those of `make_samples`."""
    columns = np.asarray(inferred, np.bool_), np.asarray(firsts, np.int64), np.asarray(lasts, np.int64)
    (sample,) = make_samples(np.asarray(hashes, np.int64), *columns, np.zeros(len(firsts), np.int64), 1)
    return sample


def make_samples(
    hashes: Integers, inferred: Flags, firsts: Integers, lasts: Integers, groups: Integers, number: int
) -> list[SessionSample]:
    """Make the samples of groups of sessions, given as parallel arrays in any order.

    Each entry is a session id, or an actor and half an hour (UTC) in which it was active without one: events of one
    half hour are never 30 minutes apart. An id or an actor may come several times.

    Args:
        hashes: 64 signed bits: of the id, as `hash_texts` makes them of the kind "session", or the `actor_hash`.
        inferred: whether they are of an actor.
        firsts: when each was active first, in microseconds since 1970.
        lasts: when each was active last.
        groups: the group of each entry, from 0.
        number: how many groups there are.
    """
    keys = (hashes.view(np.uint64) << np.uint64(1)) | inferred
    order = np.lexsort((firsts, keys, groups))
    thresholds = [NO_THRESHOLD] * number
    rows, groups = _join(keys[order], firsts[order], lasts[order], groups[order], thresholds)
    data = rows.tobytes()
    ends = (np.searchsorted(groups, np.arange(number + 1)) * ROW_BYTES).tolist()
    return [
        SessionSample(threshold, data[start:end])
        for threshold, (start, end) in zip(thresholds, pairwise(ends), strict=True)
    ]


def merge_samples(samples: Iterable[SessionSample]) -> SessionSample:
    """Merge samples of any periods into that of all of them."""
    parts = list(samples)
    threshold = min((part.threshold for part in parts), default=NO_THRESHOLD)
    kept = [part for part in parts if part.rows]
    if len(kept) == 1 and kept[0].threshold == threshold:
        return kept[0]
    data = b"".join(part.rows for part in kept)
    if len(data) <= FEW_ROWS * ROW_BYTES:
        return SessionSample(threshold, _join_few(data, threshold))
    rows = _read(data)
    keys = np.ascontiguousarray(rows[:, _KEY]).view(np.uint64)
    if threshold < NO_THRESHOLD:
        below = np.flatnonzero(keys < np.uint64(threshold << 1))
        keys, rows = keys[below], rows[below]
    order = np.lexsort((rows[:, _FIRST], keys))
    keys, rows = keys[order], rows[order]
    thresholds = [threshold]
    joined, _ = _join(keys, rows[:, _FIRST], rows[:, _LAST], np.zeros(len(keys), np.int64), thresholds)
    return SessionSample(thresholds[0], joined.tobytes())


def _join_few(data: bytes, threshold: int) -> bytes:
    """Do what `_join` does to a few rows of one group, in a tenth of the time."""
    joined: list[tuple[int, int, int]] = []
    for key, first, last in sorted(_ROW.iter_unpack(data)):
        if key >= threshold << 1:
            break
        if joined and joined[-1][0] == key and (not key & 1 or first < joined[-1][2] + PAUSE_US):
            joined[-1] = key, joined[-1][1], max(joined[-1][2], last)
        else:
            joined.append((key, first, last))
    return b"".join(_ROW.pack(*row) for row in joined)


def _join(
    keys: _Keys, firsts: Integers, lasts: Integers, groups: Integers, thresholds: list[int]
) -> tuple[_Rows, Integers]:
    """Keep the smallest keys of each group, at most MAX_KEYS, and join the rows of one session.

    Args:
        keys: as `SessionSample` has them; rows ascend by group, key and first time.
        firsts: of each row.
        lasts: of each row.
        groups: of each row.
        thresholds: of the groups; lowered where keys are left out.

    Returns:
        The rows, and the group of each.
    """
    is_new_key = np.ones(len(keys), np.bool_)
    is_new_key[1:] = (keys[1:] != keys[:-1]) | (groups[1:] != groups[:-1])
    is_below = keys < np.uint64(NO_THRESHOLD << 1)
    starts = np.flatnonzero(is_new_key)
    if len(starts) > MAX_KEYS or not is_below.all():
        # How many distinct keys of its group come before that of each row.
        places = np.cumsum(is_new_key) - 1
        places -= np.searchsorted(groups[starts], groups)
        for row in np.flatnonzero(is_new_key & (places == MAX_KEYS)).tolist():
            thresholds[groups[row]] = min(thresholds[groups[row]], int(keys[row] >> np.uint64(1)))
        kept = np.flatnonzero((places < MAX_KEYS) & is_below)
        keys, firsts, lasts = keys[kept], firsts[kept], lasts[kept]
        groups, is_new_key = groups[kept], is_new_key[kept]
    if not len(keys):
        return np.zeros((0, 3), np.int64), groups
    if not is_new_key.all():
        # Without an id, a session ends where nothing happens for a while after all that its key did before.
        is_pause = firsts[1:] >= _latest_by_key(is_new_key, firsts, lasts)[:-1] + PAUSE_US
        is_new_key[1:] |= (keys[1:] & np.uint64(1)).astype(np.bool_) & is_pause
        starts = np.flatnonzero(is_new_key)
        lasts = np.maximum.reduceat(lasts, starts)
        keys, firsts, groups = keys[starts], firsts[starts], groups[starts]
    return np.stack((keys.view(np.int64), firsts, lasts), axis=1), groups


def _latest_by_key(is_new_key: Flags, firsts: Integers, lasts: Integers) -> Integers:
    """Find the largest of the times so far of each key, in one go: they are put above those of the key before.

    A thousand keys of 285 years fit into 63 bits, and two billion keys of an hour.
    """
    starts = np.flatnonzero(is_new_key)
    number = np.cumsum(is_new_key) - 1
    earliest = firsts[starts][number]
    since = lasts - earliest
    base = number * (since.max() + 1)
    found: Integers = np.maximum.accumulate(base + since) - base + earliest
    return found


def _read(rows: bytes) -> _Rows:
    return np.frombuffer(rows, "<i8").reshape(-1, 3)


def estimate_sessions(sample: SessionSample) -> SessionFigures:
    """Estimate how many sessions there are, and the sum of their lengths."""
    sessions, lengths_us = _sessions_of(sample)
    share = sample.threshold / NO_THRESHOLD
    return SessionFigures(int(sessions.sum()) / share, int(lengths_us.sum()) / share, sample.threshold == NO_THRESHOLD)


def estimate_errors(sample: SessionSample) -> SessionErrors:
    """Estimate how far off estimates from a sample are: zero where it holds all sessions.

    Keys are drawn, not sessions: an actor's sessions come together. So sums over keys vary as a Horvitz-Thompson
    estimator does, and the mean length as the ratio of two of them.
    """
    out = 1 - sample.threshold / NO_THRESHOLD
    if not out or not sample.rows:
        return SessionErrors(0.0, 0.0)
    sessions, lengths_us = (column.astype(np.float64) for column in _sessions_of(sample))
    starts = np.flatnonzero(np.diff(sample.keys.view(np.int64), prepend=-1))
    by_key, us_by_key = np.add.reduceat(sessions, starts), np.add.reduceat(lengths_us, starts)
    count, total_us = float(by_key.sum()), float(us_by_key.sum())
    # What the microseconds of a key differ from its sessions' share of all.
    spread = float(np.square(us_by_key - by_key * (total_us / count)).sum())
    squares = float(np.square(by_key).sum())
    return SessionErrors(math.sqrt(out * squares) / count, math.sqrt(out * spread) / total_us if total_us else 0.0)


def _sessions_of(sample: SessionSample) -> tuple[Integers, Integers]:
    """Tell of each row how many sessions it is, and how long they are altogether, in microseconds."""
    lengths_us = sample.lengths_us
    return 1 + np.where(sample.inferred, lengths_us // LONGEST_US, 0), lengths_us
