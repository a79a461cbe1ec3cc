"""The spool's folder: our own segment, those adopted from the dead, and how much room there is.

All of it blocks and belongs to one thread.
"""

import errno
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from storage.spool.aside import write_aside
from storage.spool.claim import NOTE_BYTES
from storage.spool.codec import Record, encode
from storage.spool.errors import SpoolFullError, SpoolUnwritableError
from storage.spool.files import list_segments, measure, sync_folder
from storage.spool.log import TornLogError, size_of
from storage.spool.portion import Portion
from storage.spool.segment import SpoolSegment
from storage.write.batch import Batch

log = structlog.get_logger(__name__)

PROBE_NAME = "probe"
PROBE_BYTES = 64 * 1024
"""A file that is written and removed to see whether a disk that failed takes something again."""
MOST_LOG_BYTES = 16 * 1024 * 1024
LOG_SHARE = 16
"""The room of a segment is free again when all of it is drained, so it takes a part of the bound and no more."""
USUAL_BYTES = 4096
"""What an append takes, where nothing was refused that tells more."""
FULL = "the database is unavailable and the spool is full: send the same events again later"
UNWRITABLE = "the database is unavailable and the disk under the spool takes nothing: send the same events again later"


@dataclass(frozen=True, slots=True)
class SpoolFigures:
    """How the spool stands, as of its last use.

    Attributes:
        pending_events, pending_bytes: what waits in our own and in adopted segments; bytes are those of the bodies.
        has_room: whether an append is likely to succeed.
        damaged_groups: how many appended batches were found lost since the start.
    """

    pending_events: int = 0
    pending_bytes: int = 0
    has_room: bool = False
    damaged_groups: int = 0


class SpoolFolder:
    """What one process does in a spool's folder."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._own: SpoolSegment | None = None
        self._adopted: list[SpoolSegment] = []
        self._damaged_groups = 0
        self._most_log_bytes = min(MOST_LOG_BYTES, max_bytes // LOG_SHARE)
        self._refused_bytes = 0
        self._is_unwritable = False
        self._unadoptable: set[str] = set()

    def refresh(self) -> None:
        """Adopt what dead owners have left, and see whether a disk that failed takes something again; never fails."""
        try:
            self._make()
            if self._is_unwritable:
                self._probe()
            self._is_unwritable = False
            self._adopt()
        except OSError as exc:
            self._note_unwritable(exc)

    def append(self, batches: Sequence[Batch]) -> list[Exception | None]:
        """Write batches with one sync.

        Returns:
            For each batch None when it is durable, or why it is not; what is not durable is not there either.
        """
        try:
            return self._append(batches)
        except OSError as exc:
            self._note_unwritable(exc)
            return [_because_of(exc) for _ in batches]

    def next_portion(self, max_events: int) -> tuple[SpoolSegment, Portion] | None:
        """Read what is to be drained next: oldest adopted segments first, our own last.

        Raises:
            SpoolUnwritableError: the disk takes no changes.
        """
        self._adopt()
        while segment := self._first_to_drain():
            try:
                portion = segment.next_portion(max_events)
            finally:
                self._settle(segment)
            if portion is not None:
                return segment, portion
        return None

    def remove(self, segment: SpoolSegment, portion: Portion) -> None:
        """Forget a portion that is stored, and its segment when that was all.

        Raises:
            SpoolUnwritableError: the disk takes no changes; try again.
        """
        segment.remove(portion)
        self._settle(segment)

    def set_aside(self, segment: SpoolSegment, portion: Portion, error: str) -> Path:
        """Move a portion out of the way of what is behind it, into a file of its own.

        Raises:
            SpoolUnwritableError: the disk takes no changes; try again.
        """
        try:
            path = write_aside(self._path, segment.segment_id, portion, error=error, now=datetime.now(UTC))
        except OSError as exc:
            raise SpoolUnwritableError(UNWRITABLE) from exc
        self.remove(segment, portion)
        return path

    def figures(self) -> SpoolFigures:
        """Sum up how the folder stands."""
        segments = self._segments()
        return SpoolFigures(
            pending_events=sum(segment.pending_events for segment in segments),
            pending_bytes=sum(segment.pending_bytes for segment in segments),
            has_room=not self._is_unwritable and self._has_room(),
            damaged_groups=self._damaged_groups,
        )

    def close(self) -> None:
        """Remove drained segments, and leave the others to the process that adopts them."""
        for segment in self._segments():
            with suppress(OSError):
                if segment.is_drained:
                    segment.finish()
                else:
                    segment.close()
        self._own = None
        self._adopted.clear()

    def _append(self, batches: Sequence[Batch]) -> list[Exception | None]:
        if self._own is None:
            self._make()
        elif self._own.log_bytes >= self._most_log_bytes:
            self._retire_own()
        records, results = self._admit(batches)
        if records:
            own = self._own = self._own or SpoolSegment.create(self._path, self._count_damage)
            try:
                own.append(records)
            except OSError as exc:
                if isinstance(exc, TornLogError):
                    self._retire_own()
                self._settle(own)  # one that has never taken anything leaves no file
                raise
            self._is_unwritable = False
        return results

    def _admit(self, batches: Sequence[Batch]) -> tuple[list[Record], list[Exception | None]]:
        """Encode those batches that fit, with the positions that they will have; tell why the others do not pass."""
        last = self._own.last if self._own else 0
        left_bytes = self._left_bytes()
        records: list[Record] = []
        results: list[Exception | None] = []
        refused_bytes: list[int] = []
        for batch in batches:
            try:
                record = encode(batch, last + len(records) + 1)
            except Exception as exc:  # noqa: BLE001 - one caller's mistake is not its neighbour's
                results.append(exc)
                continue
            if size_of(record) <= left_bytes:
                left_bytes -= size_of(record)
                records.append(record)
                results.append(None)
            else:
                refused_bytes.append(size_of(record))
                results.append(SpoolFullError(FULL))
        self._refused_bytes = min(refused_bytes, default=0)
        return records, results

    def _left_bytes(self) -> int:
        """Measure how much the folder may still grow, in the log of our own segment or in that of a new one."""
        return self._max_bytes - measure(self._path) - (0 if self._own else NOTE_BYTES)

    def _has_room(self) -> bool:
        """Tell whether what was refused last would be taken now, or where nothing was, a small batch."""
        try:
            return self._left_bytes() >= (self._refused_bytes or USUAL_BYTES)
        except OSError:
            return False

    def _adopt(self) -> None:
        """Claim the segments of dead owners; one that cannot be opened now is left, said so once, and tried again."""
        held = {segment.segment_id for segment in self._segments()}
        for files in list_segments(self._path):
            if files.segment_id in held:
                continue
            try:
                segment = SpoolSegment.adopt(files, self._count_damage)
            except OSError as exc:
                if files.segment_id not in self._unadoptable:
                    self._unadoptable.add(files.segment_id)
                    log.warning("spool_not_adopted", segment=files.segment_id, error=_name(exc))
                continue
            self._unadoptable.discard(files.segment_id)
            if segment is not None:
                log.info("spool_adopted", segment=segment.segment_id, events=segment.pending_events)
                self._adopted.append(segment)

    def _first_to_drain(self) -> SpoolSegment | None:
        segments = [segment for segment in self._segments() if not segment.is_drained]
        return segments[0] if segments else None

    def _segments(self) -> list[SpoolSegment]:
        """List what we hold, in the order in which it is drained."""
        adopted = sorted(self._adopted, key=lambda segment: segment.segment_id)
        return [*adopted, self._own] if self._own else adopted

    def _settle(self, segment: SpoolSegment) -> None:
        """Release a drained segment."""
        if not segment.is_drained:
            return
        if segment is self._own:
            self._own = None
        else:
            self._adopted.remove(segment)
        try:
            segment.finish()
        except OSError as exc:
            log.warning("spool_not_cleaned", segment=segment.segment_id, error=_name(exc))

    def _retire_own(self) -> None:
        """Let our own segment take no more appends; it is drained like an adopted one."""
        assert self._own is not None  # noqa: S101 - callers have looked
        self._adopted.append(self._own)
        self._own = None

    def _note_unwritable(self, exc: OSError) -> None:
        if not self._is_unwritable:
            log.warning("spool_unwritable", error=_name(exc))
        self._is_unwritable = True

    def _make(self) -> None:
        if not self._path.exists():
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync_folder(self._path.parent)
        if self._path.stat().st_mode & 0o077:
            self._path.chmod(0o700)

    def _probe(self) -> None:
        path = self._path / PROBE_NAME
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            content = memoryview(bytes(PROBE_BYTES))
            while content:
                content = content[os.write(descriptor, content) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
            path.unlink(missing_ok=True)

    def _count_damage(self, groups: int) -> None:
        self._damaged_groups += groups


def _because_of(exc: OSError) -> SpoolUnwritableError:
    error = SpoolUnwritableError(UNWRITABLE)
    error.__cause__ = exc
    return error


def _name(exc: OSError) -> str:
    """Name an error without its text, which may hold a path."""
    return errno.errorcode.get(exc.errno or 0, type(exc).__name__)
