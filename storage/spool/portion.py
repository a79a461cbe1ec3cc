"""A portion: the groups of a segment that are drained in one go."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from storage.spool.claim import Note
from storage.spool.log import Stored
from storage.write.batch import Batch, BatchIdentity, Rejection, Row

UnpackGroup = Callable[[Stored], tuple[Sequence[Row], Sequence[Rejection]] | None]
"""Unpacks a group; None where it is damaged."""


@dataclass(frozen=True, slots=True)
class Portion:
    """What is drained in one go.

    Attributes:
        batch: one group under an identity of its own; else merged ones, under their segment and the last position.
        first: the position of its first group.
        through: the position to remove through once it is stored; lost groups are passed over.
        end: where the last of its groups ends in the log.
        body_bytes: what its groups took.
    """

    batch: Batch
    first: int
    through: int
    end: int
    body_bytes: int


def gather(
    segment_id: str, note: Note, last: int, max_events: int, *, found: Iterable[Stored], unpack: UnpackGroup
) -> Portion | None:
    """Collect what follows on the removed groups: one with an identity, or following ones without.

    Args:
        segment_id: of the segment.
        note: of the segment. What was merged and handed out before is merged again, to the same end.
        last: the last position of the segment.
        max_events: how many events are merged, at most, where nothing was handed out before.
        found: the groups after the removed ones, in order; those that are missing are lost.
        unpack: unpacks them.

    Returns:
        None where all that is left is lost.
    """
    groups: list[Stored] = []
    rows: list[Row] = []
    rejections: list[Rejection] = []
    end = last
    through = None
    for stored in found:
        head = stored.head
        if head.position > end:
            break
        if groups:
            is_full = end != note.handed and len(rows) + len(rejections) + head.events > max_events
            if is_full or head.identity is not None:
                through = head.position - 1
                break
        content = unpack(stored)
        if content is None:
            continue
        groups.append(stored)
        rows += content[0]
        rejections += content[1]
        if head.identity is not None:
            through = head.position
            break
        if head.position <= note.handed:
            end = note.handed
    if not groups:
        return None
    through = end if through is None else through
    identity = groups[0].head.identity or BatchIdentity(segment_id, through)
    batch = Batch(rows, rejections, groups[-1].head.claimed_at, identity)
    return Portion(batch, note.removed + 1, through, groups[-1].end, sum(stored.body_bytes for stored in groups))
