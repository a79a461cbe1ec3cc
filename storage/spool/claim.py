"""Who may touch a segment, and how far it has been filled and drained: one small locked file beside each."""

import fcntl
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

NOTE_BYTES = 69
"""Three numbers of 19 digits, a checksum of 8, four separators: a note is overwritten in place, on a full disk too."""


@dataclass(frozen=True, slots=True)
class Note:
    """Positions within a segment.

    Attributes:
        acknowledged: all up to here were committed to disk and acknowledged. It may lag behind after a loss of power,
            but not after a kill; a segment that holds less has lost something.
        handed: the end of the merged batch that was last handed to the drainer. The next drainer must merge up to the
            same end, so that the batch keeps its identity.
        removed: all up to here are stored in Postgres.
    """

    acknowledged: int = 0
    handed: int = 0
    removed: int = 0

    def to_bytes(self) -> bytes:
        """Write it as a line that people can read."""
        text = f"{self.acknowledged:019d} {self.handed:019d} {self.removed:019d}"
        return f"{text} {zlib.crc32(text.encode()):08x}\n".encode()

    @classmethod
    def from_bytes(cls, line: bytes) -> "Note | None":
        """Read what `to_bytes` wrote; None for anything else."""
        try:
            note = cls(*(int(part) for part in line.split()[:3]))
        except (ValueError, TypeError):
            return None
        return note if line == note.to_bytes() else None


class SegmentClaim:
    """An exclusive claim on a segment, until it is released or this process dies: a flock, which the kernel frees.

    The locked file is removed only by who holds the claim, and a claim counts only when the locked file is still the
    one at its path; so there are never two.
    """

    def __init__(self, path: Path, descriptor: int, note: Note | None) -> None:
        self._path = path
        self._descriptor = descriptor
        self.has_note = note is not None
        self.note = note or Note()

    @classmethod
    def take(cls, path: Path) -> "SegmentClaim | None":
        """Claim a segment; None when another has it, or has just finished it.

        Raises:
            OSError: the file cannot be made or opened.
        """
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(path, descriptor):
                return cls(path, descriptor, Note.from_bytes(os.pread(descriptor, NOTE_BYTES, 0)))
        except BlockingIOError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None

    def write(self, note: Note, *, sync: bool) -> None:
        """Replace the note.

        Args:
            note: the new one; it counts for this process even where the disk does not take it.
            sync: whether it must outlast a loss of power; it outlasts a kill anyhow.

        Raises:
            OSError: the disk does not take it.
        """
        self.note = note
        os.pwrite(self._descriptor, note.to_bytes(), 0)
        self.has_note = True
        if sync:
            os.fdatasync(self._descriptor)

    def release(self, *, finished: bool = False) -> None:
        """Let go; the file goes too when the segment is finished."""
        if self._descriptor < 0:
            return
        if finished:
            self._path.unlink(missing_ok=True)
        os.close(self._descriptor)
        self._descriptor = -1


def read_note(path: Path) -> Note | None:
    """Read the note of a segment of anybody's; None where there is none, or none that is whole."""
    try:
        return Note.from_bytes(path.read_bytes()[:NOTE_BYTES])
    except OSError:
        return None


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        named = path.stat()
    except FileNotFoundError:
        return False
    locked = os.fstat(descriptor)
    return (named.st_dev, named.st_ino) == (locked.st_dev, locked.st_ino)
