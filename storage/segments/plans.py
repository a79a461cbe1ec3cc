"""What to seal and what to merge: pure functions over lists of blocks and segments."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from storage.segments.catalogue import Segment, WaitingBlock
from storage.segments.places import TOP_LEVEL

SEAL_ROWS = 200_000
"""So many are sealed at once."""
SEAL_ROWS_SOON, SEAL_SOON = 20_000, timedelta(seconds=60)
"""So many are sealed when the oldest is a minute old: reports read blocks anew, and segments from their cache."""
SEAL_LATEST = timedelta(hours=1)
"""However few there are, they are sealed by then."""
SEAL_LATEST_COPIED = timedelta(seconds=60)
"""Likewise where `analytics_events` waits for them: whoever looks there for an event just sent finds it a minute later.
A seal of few events takes some 20 ms, and eight of them are merged at once."""
MOST_ROWS = 500_000
"""One sealing takes no more: its memory and its transaction stay small however long nobody has sealed."""

MERGE_INPUTS = 8
"""Every event is rewritten once for each factor of eight by which its segments grow."""
LEAST_GAIN = 4
"""A segment is not rewritten for others that add up to less than a quarter of it, or 1 % of late events would rewrite
everything every day."""
MOST_SEGMENT_ROWS = 2_000_000
"""More rows than that are split by actor."""
ROWS_PER_BUCKET = 1_500_000
SPAN_DAYS = (28, 7, 1)
"""Segments grow within four weeks, a week or a day: the longest of them that one segment can hold."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)

Span = tuple[int, int]
"""A number of days, and which of the spans of so many days since 1970 it is."""
UNBOUNDED: Span = (0, 0)
"""Of segments that reach over more than four weeks."""


@dataclass(frozen=True, slots=True)
class HashBucket:
    """A range of pseudonyms, both ends included."""

    low: int
    high: int


def plan_seal(blocks: Sequence[WaitingBlock], now: datetime, latest: timedelta = SEAL_LATEST) -> Sequence[WaitingBlock]:
    """Choose the blocks to seal now; none where it is not worth while yet.

    Args:
        blocks: oldest first.
        now: aware.
        latest: the age at which they are sealed however few there are.
    """
    if not blocks:
        return ()
    rows, age = sum(block.rows for block in blocks), now - blocks[0].stored_at
    if rows < SEAL_ROWS and not (rows >= SEAL_ROWS_SOON and age >= SEAL_SOON) and age < latest:
        return ()
    return take_blocks(blocks)


def take_blocks(blocks: Sequence[WaitingBlock]) -> Sequence[WaitingBlock]:
    """Take the first blocks that one sealing takes; one at least."""
    taken: list[WaitingBlock] = []
    rows = 0
    for block in blocks:
        rows += block.rows
        if taken and rows > MOST_ROWS:
            break
        taken.append(block)
    return taken


@dataclass(frozen=True, slots=True)
class Merge:
    """Segments to merge.

    Attributes:
        segments: oldest first.
        splits_days: whether days with many rows get segments of their own: they lie in a span that one segment cannot
            hold.
    """

    segments: Sequence[Segment]
    splits_days: bool


def plan_merge(segments: Sequence[Segment]) -> Merge | None:
    """Choose segments to merge: the smallest eight of a span for which it is worth while; None where there are none."""
    spans: defaultdict[tuple[Span, bool], list[Segment]] = defaultdict(list)
    totals = _totals(segments)
    for segment in segments:
        # Like with like: what is copied, what is not yet; one that is copied just now has its turn later.
        if segment.level < TOP_LEVEL and segment.copied_rows in {0, segment.rows}:
            spans[span_of(segment, totals), segment.is_copied].append(segment)
    for (span, _), members in sorted(spans.items()):
        members.sort(key=lambda segment: segment.rows)
        for start in range(len(members) - MERGE_INPUTS + 1):
            chosen = members[start : start + MERGE_INPUTS]
            if chosen[-1].rows <= LEAST_GAIN * sum(segment.rows for segment in chosen[:-1]):
                oldest_first = sorted(chosen, key=lambda segment: (segment.first_at, segment.id))
                is_overfull = span[0] != 1 and totals[span] > MOST_SEGMENT_ROWS
                return Merge(oldest_first, splits_days=span == UNBOUNDED or is_overfull)
    return None


def span_of(segment: Segment, totals: Counter[Span]) -> Span:
    """Choose the span within which a segment grows: the longest that holds it and is not too full for one segment."""
    holding = [span for days in SPAN_DAYS if (span := _span(segment, days)) is not None]
    for span in holding:
        if totals[span] <= MOST_SEGMENT_ROWS:
            return span
    return holding[-1] if holding else UNBOUNDED


def buckets(rows: int) -> Sequence[HashBucket]:
    """Split all pseudonyms into as many equal ranges as so many rows need: a power of two."""
    count = 1
    if rows > MOST_SEGMENT_ROWS:
        while count * ROWS_PER_BUCKET < rows:
            count *= 2
    width = 2**64 // count
    return [HashBucket(number * width - 2**63, (number + 1) * width - 2**63 - 1) for number in range(count)]


def _totals(segments: Sequence[Segment]) -> Counter[Span]:
    totals: Counter[Span] = Counter()
    for segment in segments:
        for days in SPAN_DAYS:
            span = _span(segment, days)
            if span is not None:
                totals[span] += segment.rows
    return totals


def _span(segment: Segment, days: int) -> Span | None:
    first, last = ((moment - _EPOCH) // (days * _DAY) for moment in (segment.first_at, segment.last_at))
    return (days, first) if first == last else None
