"""What lies in a spool, seen from outside: for the command line, whether its owners are at work or dead."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from storage.spool.aside import SetAside, list_aside
from storage.spool.claim import Note, read_note
from storage.spool.codec import add_hours
from storage.spool.files import SegmentFiles, list_segments
from storage.spool.log import SegmentLog
from storage.write.batch import BatchIdentity


@dataclass(frozen=True, slots=True)
class PendingGroup:
    """An appended batch that is not removed yet.

    Attributes:
        identity: what tells whether it is stored all the same: it is when the ingest ledger has that number, or a
            higher one, of that writer. A group that was never tried is known by its segment and position.
        segment_id, position: where it lies.
        hours: how many of its events and rejections were received in each hour (UTC).
    """

    identity: BatchIdentity
    segment_id: str
    position: int
    hours: Mapping[datetime, int]


def read_pending(folder: Path) -> dict[datetime, int]:
    """Count what waits in a spool by hour of receipt (UTC), rejected events included, ascending.

    Nobody is disturbed: files are opened to read, and no claim is taken.
    """
    return add_hours(group.hours for group in read_pending_groups(folder))


def read_pending_groups(folder: Path) -> list[PendingGroup]:
    """List what waits in a spool.

    Read this first and the ledger after it, in one snapshot: what is drained in between is then counted once.
    """
    groups: list[PendingGroup] = []
    for files in list_segments(folder):
        groups += _read_segment(files)
    return groups


def read_pending_parts(folder: Path) -> tuple[list[PendingGroup], list[SetAside]]:
    """List what waits in a spool, and what was set aside beside it; what is just being moved comes once.

    As for `read_pending_groups`, read the ledger after it.
    """
    # Asked before and after the groups, since batches move both ways.
    before = list_aside(folder)
    groups = read_pending_groups(folder)
    asides = {aside.path: aside for aside in (*before, *list_aside(folder))}.values()
    identities = {aside.identity for aside in asides}
    waiting = [
        group
        for group in {group.identity: group for group in groups}.values()
        if group.identity not in identities
        and not any(aside.holds(group.segment_id, group.position) for aside in asides)
    ]
    return waiting, list(asides)


def _read_segment(files: SegmentFiles) -> list[PendingGroup]:
    try:
        with closing(SegmentLog.open_to_read(files.log)) as content:
            heads = [stored.head for stored in content.scan()]
    except FileNotFoundError:
        return []  # its owner has just finished it
    # After the groups: what was removed meanwhile is stored.
    note = read_note(files.lock) or Note()
    return [
        PendingGroup(
            head.identity or BatchIdentity(files.segment_id, head.position), files.segment_id, head.position, head.hours
        )
        for head in heads
        if head.position > note.removed
    ]
