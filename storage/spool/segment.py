"""A segment: the groups of one process, in order, filled by their owner and drained by the holder of the claim."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import structlog

from storage.spool.claim import Note, SegmentClaim
from storage.spool.codec import Record, unpack
from storage.spool.errors import DamagedGroupError, SpoolUnwritableError
from storage.spool.files import SegmentFiles, new_segment_id, sync_folder
from storage.spool.log import SegmentLog, Stored
from storage.spool.portion import Portion, gather
from storage.write.batch import BatchIdentity, Rejection, Row

log = structlog.get_logger(__name__)

UNKNOWN = "unknown"
"""How many groups are lost where neither the note nor the log tells."""


class SpoolSegment:
    """One segment under this process's claim. Only the spool's thread uses it.

    Args of the constructor:
        files, claim: where it lies, and the right to touch it.
        content: its log; None where that is missing.
        on_damage: told how many more groups are found lost.
    """

    def __init__(
        self, files: SegmentFiles, claim: SegmentClaim, content: SegmentLog | None, on_damage: Callable[[int], None]
    ) -> None:
        self.files = files
        self.last = claim.note.acknowledged
        self.pending_events = 0
        self.pending_bytes = 0
        self._claim = claim
        self._log = content
        self._on_damage = on_damage
        self._start = 0  # no group before this place of the log is left
        self._lost: set[int] = set()

    @classmethod
    def create(cls, folder: Path, on_damage: Callable[[int], None]) -> "SpoolSegment":
        """Make an empty segment of our own.

        Raises:
            OSError: the disk does not take it; nothing stays behind.
        """
        claim = None
        while claim is None:  # somebody who cleans up may have claimed a lock that was made this moment
            files = SegmentFiles(folder, new_segment_id())
            claim = SegmentClaim.take(files.lock)
        content = None
        try:
            claim.write(Note(), sync=True)
            content = SegmentLog.create(files.log)
            sync_folder(folder)
        except BaseException:
            with suppress(OSError):
                cls(files, claim, content, on_damage).finish()
            raise
        return cls(files, claim, content, on_damage)

    @classmethod
    def adopt(cls, files: SegmentFiles, on_damage: Callable[[int], None]) -> "SpoolSegment | None":
        """Take over what a dead owner has left; None where it is alive, or has left nothing to drain.

        Raises:
            OSError: the segment cannot be opened now; it stays as it is.
        """
        claim = SegmentClaim.take(files.lock)
        if claim is None:
            return None
        try:
            content = SegmentLog.open_to_read(files.log) if files.log.exists() else None
        except BaseException:
            claim.release()
            raise
        segment = cls(files, claim, content, on_damage)
        try:
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
    def log_bytes(self) -> int:
        """How long its log is."""
        return self._log.end if self._log else 0

    def append(self, records: Sequence[Record]) -> None:
        """Write records, whose positions follow on `last`, synced; only the owner of a segment does.

        Raises:
            OSError: none of them was written.
            TornLogError: nothing may be appended any more.
        """
        assert self._log is not None  # noqa: S101 - an owner has made it
        self._log.append(records)
        self.last += len(records)
        self.pending_events += sum(record.events for record in records)
        self.pending_bytes += sum(len(record.body) for record in records)
        # The groups are safe. A note that lags behind costs no more than the proof of a later loss.
        with suppress(OSError):
            self._claim.write(replace(self._claim.note, acknowledged=self.last), sync=False)

    def next_portion(self, max_events: int) -> Portion | None:
        """Read what comes next: one group with an identity, or following ones without, up to `max_events` together.

        Merged groups get the identity (segment, position of the last one). The end of a merged batch is noted before
        it is handed out: every later call, of this process or the next, returns the same batch until it is removed, so
        that Postgres recognises it. None where all that was left is lost.
        """
        note = self._claim.note
        portion = gather(self.segment_id, note, self.last, max_events, found=self._scan(), unpack=self._unpack)
        if portion is None:
            self._drop_through(self.last)
        elif portion.batch.identity == BatchIdentity(self.segment_id, portion.through):
            # Should the disk refuse, and this process die, and the commit have gone through without an answer, only
            # then are the rows of this batch counted as duplicates.
            with suppress(OSError):
                self._claim.write(replace(note, handed=portion.through), sync=True)
        return portion

    def split(self) -> None:
        """Forget where the merged batch that was handed out last ends: its groups can be had one by one.

        Only for a batch that Postgres has not committed.

        Raises:
            OSError: the note cannot be written; the groups stay merged for the next drainer.
        """
        self._claim.write(replace(self._claim.note, handed=self._claim.note.removed), sync=True)

    def remove(self, portion: Portion) -> None:
        """Forget a portion that is stored. It overwrites some bytes in place, which works on a full disk too.

        Raises:
            SpoolUnwritableError: the disk refuses any change; the portion is still there.
        """
        self._drop_through(portion.through)
        self._start = portion.end
        if not self.is_drained:
            self.pending_events -= len(portion.batch)
            self.pending_bytes -= portion.body_bytes

    def finish(self) -> None:
        """Remove the segment, which is drained; where groups were lost, set its log aside for people instead.

        Raises:
            OSError: the file system refuses; the next process that opens the folder finishes the removal.
        """
        self._close_log()
        try:
            if self._lost:
                self.files.set_aside()
            else:
                self.files.remove()
        except BaseException:
            self._claim.release()
            raise
        self._claim.release(finished=True)

    def close(self) -> None:
        """Leave the segment to the process that adopts it."""
        self._close_log()
        self._claim.release()

    def _inspect(self) -> None:
        """Look at an adopted segment: is all there that its owner has acknowledged?"""
        for stored in self._scan():
            self.pending_events += stored.head.events
            self.pending_bytes += stored.body_bytes
            self.last = max(self.last, stored.head.position)
        if self._claim.has_note:
            if not self.pending_events:  # all that is left is lost
                self._claim.note = replace(self._claim.note, removed=self.last)
            return
        # Nothing tells what was removed or acknowledged. All that is found is stored again, which event ids make
        # harmless; what is lost behind it is unknown.
        self._claim.note = Note(acknowledged=self.last)
        if self.log_bytes and not self.last:
            self._lost.add(0)
            self._report(1, UNKNOWN)

    def _scan(self) -> Iterator[Stored]:
        """Find the groups that are not removed, and count those that are missing before, between and after them."""
        before = self._claim.note.removed
        for stored in self._log.scan(self._start) if self._log else ():
            position = stored.head.position
            if position > before:
                self._note_lost(before + 1, position - 1)
                before = position
                yield stored
        self._note_lost(before + 1, self.last)

    def _unpack(self, stored: Stored) -> tuple[Sequence[Row], Sequence[Rejection]] | None:
        assert self._log is not None  # noqa: S101 - the group comes from it
        try:
            return unpack(stored.head, self._log.body_of(stored))
        except DamagedGroupError:
            self._note_lost(stored.head.position, stored.head.position)
            return None

    def _drop_through(self, position: int) -> None:
        note = replace(self._claim.note, removed=max(position, self._claim.note.removed))
        try:
            self._claim.write(note, sync=True)
        except OSError as exc:
            raise SpoolUnwritableError("the disk under the spool takes no changes; the server's log tells why") from exc
        if self.is_drained:
            self.pending_events = self.pending_bytes = 0

    def _note_lost(self, first: int, last: int) -> None:
        """Count the groups of these positions as lost, each once."""
        lost = set(range(first, last + 1)) - self._lost
        if lost:
            self._lost |= lost
            self._report(len(lost), len(lost))

    def _report(self, lost: int, told: int | str) -> None:
        self._on_damage(lost)
        log.warning("spool_damaged", segment=self.segment_id, lost_groups=told)

    def _close_log(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None
