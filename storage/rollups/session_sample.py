"""Samples of sessions: how many a range has, and how long they are, from those with the smallest hashes.

Neither adds up: a session has events in several hours, and where clients send no session id, only all hours together
tell where one ends. But a sample by hash merges: each part knows all that happened to the keys below its threshold, so
the parts together know all about the keys below the lowest one (theta sketches: Dasgupta et al., "A framework for
estimating stream expression cardinalities", 2016). A key is a session id, or an actor for its events without one.
"""

from collections.abc import Iterable
from typing import NamedTuple

MAX_KEYS = 1024
"""All that is told of fewer keys is exact; of more, counts have a standard error of 1 / sqrt(1024) = 3.1 %."""
NO_THRESHOLD = 2**63 - 1
"""Above all keys: nothing is left out."""
PAUSE_US = 30 * 60 * 1_000_000
"""A session without id ends when its actor does nothing for so long."""
LONGEST_US = 24 * 60 * 60 * 1_000_000
"""A session without id is cut when it has lasted so long."""


class SessionSample(NamedTuple):
    """When the sessions with the smallest keys were active; parallel lists, ascending by key and time.

    Attributes:
        threshold: all that happened to keys below it is here, and nothing of the others.
        keys: 63 bits of the hash of a session id, or of an actor id.
        inferred: whether it is an actor's; such a key may occur several times.
        firsts, lasts: of the first and the last event, in microseconds since 1970.
    """

    threshold: int = NO_THRESHOLD
    keys: tuple[int, ...] = ()
    inferred: tuple[bool, ...] = ()
    firsts: tuple[int, ...] = ()
    lasts: tuple[int, ...] = ()


class SessionFigures(NamedTuple):
    """Sessions, and how long they are altogether in microseconds; estimates unless all sessions are in the sample."""

    sessions: float
    length_us: float
    is_exact: bool


def merge_samples(samples: Iterable[SessionSample]) -> SessionSample:
    """Merge samples of any periods into that of all of them; of one, put it in order."""
    parts = list(samples)
    threshold = min((part.threshold for part in parts), default=NO_THRESHOLD)
    rows = sorted(
        row
        for part in parts
        for row in zip(part.keys, part.inferred, part.firsts, part.lasts, strict=True)
        if row[0] < threshold
    )
    joined: list[tuple[int, bool, int, int]] = []
    kept = 0
    last_key, last_inferred, last_first, last_last = -1, False, 0, 0
    for key, inferred, first, last in rows:
        if key == last_key and (not inferred or first < last_last + PAUSE_US):
            last_last = max(last_last, last)
            joined[-1] = (last_key, last_inferred, last_first, last_last)
            continue
        if key != last_key:
            kept += 1
            if kept > MAX_KEYS:
                threshold = key
                break
        last_key, last_inferred, last_first, last_last = key, inferred, first, last
        joined.append((key, inferred, first, last))
    if not joined:
        return SessionSample(threshold)
    return SessionSample(threshold, *zip(*joined, strict=True))


def estimate_sessions(sample: SessionSample) -> SessionFigures:
    """Estimate how many sessions there are, and the sum of their lengths."""
    sessions = length_us = 0
    for inferred, first, last in zip(sample.inferred, sample.firsts, sample.lasts, strict=True):
        sessions += 1 + (last - first) // LONGEST_US if inferred else 1
        length_us += last - first
    share = sample.threshold / NO_THRESHOLD
    return SessionFigures(sessions / share, length_us / share, sample.threshold == NO_THRESHOLD)
