"""A portion: the groups of a segment that are drained in one go."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from storage.batch import Batch, BatchIdentity, Rejection, Row
from storage.spool.claim import Note
from storage.spool.codec import Group

ReadGroup = Callable[[int], Group | None]
"""Reads the group at a position; None where it is lost."""
UnpackGroup = Callable[[Group], tuple[Sequence[Row], Sequence[Rejection]] | None]
"""Unpacks a group; None where that is impossible."""


@dataclass(frozen=True, slots=True)
class Portion:
    """What is drained in one go.

    Attributes:
        batch: one group under an identity of its own; else merged ones, under their segment and the last position.
        first: the position of its first group.
        through: the position to remove through once it is stored; lost groups are passed over.
        body_bytes: what its groups took.
    """

    batch: Batch
    first: int
    through: int
    body_bytes: int


def gather(
    segment_id: str, note: Note, last: int, max_events: int, *, read: ReadGroup, unpack: UnpackGroup
) -> Portion | None:
    """Collect what follows on the removed groups: one with an identity, or following ones without.

    Args:
        segment_id: of the segment.
        note: of the segment. What was merged and handed out before is merged again, to the same end.
        last: the last position of the segment.
        max_events: how many events are merged, at most, where nothing was handed out before.
        read: reads groups.
        unpack: unpacks them.

    Returns:
        None where all that is left is lost.
    """
    groups: list[Group] = []
    rows: list[Row] = []
    rejections: list[Rejection] = []
    position, end = note.removed, last
    while position < end:
        group = read(position + 1)
        if group is not None and groups:
            is_full = end != note.handed and len(rows) + len(rejections) + group.events > max_events
            if is_full or group.identity is not None:
                break
        position += 1
        if group is None or (content := unpack(group)) is None:
            continue
        groups.append(group)
        rows += content[0]
        rejections += content[1]
        if group.identity is not None:
            break
        if position <= note.handed:
            end = note.handed
    if not groups:
        return None
    identity = groups[0].identity or BatchIdentity(segment_id, position)
    batch = Batch(rows, rejections, groups[-1].claimed_at, identity)
    return Portion(batch, note.removed + 1, position, sum(len(group.body) for group in groups))
