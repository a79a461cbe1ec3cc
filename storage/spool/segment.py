"""A segment: the groups of one process, in order, filled by their owner and drained by the holder of the claim."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import structlog

from storage.batch import BatchIdentity, Rejection, Row
from storage.spool.claim import Note, SegmentClaim
from storage.spool.codec import BODY, EVENTS, Group, Record
from storage.spool.errors import DamagedGroupError, SpoolUnwritableError, is_passing
from storage.spool.files import SegmentFiles, new_segment_id, sync_folder
from storage.spool.portion import Portion, gather
from storage.spool.salvage import SalvagedGroups
from storage.spool.table import GroupTable

log = structlog.get_logger(__name__)

UNKNOWN = "unknown"
"""How many groups are lost where neither the note nor the files tell."""


class Segment:
    """One segment under this process's claim. Only the spool's thread uses it.

    Args of the constructor:
        files, claim: where it lies, and the right to touch it.
        on_damage: told how many more groups are found lost.
    """

    def __init__(self, files: SegmentFiles, claim: SegmentClaim, on_damage: Callable[[int], None]) -> None:
        self.files = files
        self.last = claim.note.acknowledged
        self.pending_events = 0
        self.pending_bytes = 0
        self.table: GroupTable | None = None
        self._claim = claim
        self._on_damage = on_damage
        self._salvaged: SalvagedGroups | None = None
        self._has_losses = False

    @classmethod
    def create(cls, folder: Path, on_damage: Callable[[int], None]) -> "Segment":
        """Make an empty segment of our own.

        Raises:
            OSError, sqlite3.Error: the disk does not take it; nothing stays behind.
        """
        claim = None
        while claim is None:  # somebody who cleans up may have claimed a lock that was made this moment
            files = SegmentFiles(folder, new_segment_id())
            claim = SegmentClaim.take(files.lock)
        segment = cls(files, claim, on_damage)
        try:
            claim.write(Note(), sync=True)
            segment.table = GroupTable.create(files)
            sync_folder(folder)
        except BaseException:
            with suppress(OSError):
                segment.finish()
            raise
        return segment

    @classmethod
    def adopt(cls, files: SegmentFiles, on_damage: Callable[[int], None]) -> "Segment | None":
        """Take over what a dead owner has left; None where it is alive, or has left nothing to drain.

        Raises:
            OSError, sqlite3.Error: the segment cannot be opened now; it stays as it is.
        """
        claim = SegmentClaim.take(files.lock)
        if claim is None:
            return None
        segment = cls(files, claim, on_damage)
        try:
            # Without a database it is the rest of one that was just being finished, unless the note says otherwise.
            if files.database.exists() or not segment.is_drained:
                segment._inspect()
            if segment.is_drained:
                segment.finish()
                return None
        except BaseException:
            segment.close()
            raise
        return segment

    @property
    def segment_id(self) -> str:
        """The permanent UUID of the segment."""
        return self.files.segment_id

    @property
    def is_drained(self) -> bool:
        """Whether it holds no group that is not removed."""
        return self._claim.note.removed >= self.last

    @property
    def is_damaged(self) -> bool:
        """Whether it can only be salvaged, and takes no more groups."""
        return self._salvaged is not None

    def append(self, records: Sequence[Record]) -> None:
        """Write records, whose positions follow on `last`, in one synced transaction.

        Raises:
            sqlite3.Error: none of them was written.
        """
        if self.table is None:
            raise RuntimeError("only the owner of a segment appends to it")
        self.table.append(records)
        self.last += len(records)
        self.pending_events += sum(record[EVENTS] for record in records)
        self.pending_bytes += sum(len(record[BODY]) for record in records)
        # The groups are safe. A note that lags behind costs no more than the proof of a later loss.
        with suppress(OSError):
            self._claim.write(replace(self._claim.note, acknowledged=self.last), sync=False)
        self.table.checkpoint_if_due()

    def next_portion(self, max_events: int) -> Portion | None:
        """Read what comes next: one group with an identity, or following ones without, up to `max_events` together.

        Merged groups get the identity (segment, position of the last one). The end of a merged batch is noted before
        it is handed out: every later call, of this process or the next, returns the same batch until it is removed, so
        that Postgres recognises it. None where all that was left is lost.

        Raises:
            sqlite3.Error: the file cannot be read at this moment.
        """
        portion = gather(self.segment_id, self._claim.note, self.last, max_events, read=self._read, unpack=self._unpack)
        if portion is None:
            self._drop_through(self.last)
        elif portion.batch.identity == BatchIdentity(self.segment_id, portion.through):
            # Should the disk refuse, and this process die, and the commit have gone through without an answer, only
            # then are the rows of this batch counted as duplicates.
            with suppress(OSError):
                self._claim.write(replace(self._claim.note, handed=portion.through), sync=True)
        return portion

    def split(self) -> None:
        """Forget where the merged batch that was handed out last ends: its groups can be had one by one.

        Only for a batch that Postgres has not committed.

        Raises:
            OSError: the note cannot be written; the groups stay merged for the next drainer.
        """
        self._claim.write(replace(self._claim.note, handed=self._claim.note.removed), sync=True)

    def remove(self, portion: Portion) -> None:
        """Forget a portion that is stored. Works on a full disk too.

        Raises:
            SpoolUnwritableError: the disk refuses any change; the portion is still there.
        """
        self._drop_through(portion.through)
        if not self.is_drained:
            self.pending_events -= len(portion.batch)
            self.pending_bytes -= portion.body_bytes

    def salvage(self) -> None:
        """Read what can be read past SQLite from here on, and take no more groups.

        Raises:
            OSError: the files cannot be opened now.
        """
        if self.table is not None:
            self.table.close()
            self.table = None
        self._salvaged = SalvagedGroups(self.files)
        kept = {at: found for at, found in self._salvaged.found.items() if at > self._claim.note.removed}
        self.pending_events = sum(found.events for found in kept.values())
        self.pending_bytes = sum(found.body_bytes for found in kept.values())
        if self._claim.has_note:
            self.last = max(self.last, *kept, self._claim.note.removed)
            self._report(self.last - self._claim.note.removed - len(kept), kept=len(kept))
        else:
            # Nothing tells how many groups there were before the first that is found, or after the last.
            self._assume(min(kept, default=1), max(kept, default=0))
            self._report(None, kept=len(kept))
        if not kept:
            self._claim.note = replace(self._claim.note, removed=self.last)

    def finish(self) -> None:
        """Remove the segment, which is drained; where groups were lost, set its files aside for people instead.

        Raises:
            OSError: the file system refuses; the next process that opens the folder finishes the removal.
        """
        self._close_files()
        try:
            if self._has_losses:
                self.files.set_aside()
            else:
                self.files.remove()
        except BaseException:
            self._claim.release()
            raise
        self._claim.release(finished=True)

    def close(self) -> None:
        """Leave the segment to the process that adopts it."""
        self._close_files()
        self._claim.release()

    def _inspect(self) -> None:
        """Look at an adopted segment: is all there that its owner has acknowledged?"""
        note = self._claim.note
        try:
            self.table = GroupTable.open_to_read(self.files)
            summary = self.table.summarize(note.removed)
        except sqlite3.Error as exc:
            if is_passing(exc):
                raise
            self.salvage()
            return
        removed = note.removed if self._claim.has_note else max(0, summary.first - 1)
        last = max(note.acknowledged, removed, summary.last)
        if summary.groups != last - removed or (summary.groups and summary.first != removed + 1):
            self.salvage()
            return
        if not self._claim.has_note:
            self._assume(summary.first, last)
        self.last = last
        self.pending_events = summary.events
        self.pending_bytes = summary.body_bytes

    def _assume(self, first: int, last: int) -> None:
        """Go by what is found where there is no note."""
        self.last = last
        self._claim.note = Note(acknowledged=last, removed=max(0, first - 1))

    def _read(self, position: int) -> Group | None:
        """Read a group; None where it is lost."""
        if self.table is not None:
            with suppress(DamagedGroupError):
                try:
                    return self.table.read(position)
                except sqlite3.Error as exc:
                    if is_passing(exc):
                        raise
        if self._salvaged is None:
            self.salvage()
        if self._salvaged is None or position not in self._salvaged.found:
            return None
        try:
            return self._salvaged.read(position)
        except DamagedGroupError:
            self._report(1)  # it could be read a moment ago
            return None

    def _unpack(self, group: Group) -> tuple[Sequence[Row], Sequence[Rejection]] | None:
        try:
            return group.unpack()
        except DamagedGroupError:
            self._report(1)
            return None

    def _drop_through(self, position: int) -> None:
        note = replace(self._claim.note, removed=max(position, self._claim.note.removed))
        failure: Exception | None = None
        try:
            self._claim.write(note, sync=True)
        except OSError as exc:
            failure = exc
        if self.table is not None and self.table.is_own:
            try:
                self.table.delete_through(position)
                failure = None
                self.table.checkpoint_if_due()
            except sqlite3.Error as exc:
                log.debug("spool_room_kept", segment=self.segment_id, error=type(exc).__name__)
        if failure is not None:
            raise SpoolUnwritableError("the disk under the spool takes no changes; the server's log tells why") from (
                failure
            )
        if self.is_drained:
            self.pending_events = self.pending_bytes = 0

    def _report(self, lost: int | None, **found: int) -> None:
        if lost == 0 and self.last == 0:
            return  # its owner died while making it
        self._has_losses = self._has_losses or lost != 0
        self._on_damage(1 if lost is None else lost)
        log.warning("spool_damaged", segment=self.segment_id, lost_groups=UNKNOWN if lost is None else lost, **found)

    def _close_files(self) -> None:
        if self.table is not None:
            self.table.close()
            self.table = None
        if self._salvaged is not None:
            self._salvaged.close()
