"""The log of a segment: the records of its groups, one after the other in a file that only grows.

    | mark, 8 bytes | head bytes, u32 | body bytes, u32 | CRC-32 of both numbers and the head, u32 | head | body |

Reading needs no index, and passes over damage: where no record begins, the next mark is looked for. So a damaged byte
costs the group that it lies in, a torn end costs what was never acknowledged, and nothing is written to find that out.
"""

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from storage.spool.codec import Head, Record, read_head
from storage.spool.errors import DamagedGroupError

MARK = b"\xf9\x8a\x1dspool"
"""Begins a record. It is no UTF-8, so no body contains it."""
_NUMBERS = struct.Struct(">II")
_CHECKSUM = struct.Struct(">I")
_FRAME_BYTES = len(MARK) + _NUMBERS.size + _CHECKSUM.size
MOST_HEAD_BYTES = 1 << 20
"""A head has one count an hour. A length above this is damage, and is not read."""
_SEARCH_BYTES = 1 << 18
"""How much is read at a time while the next mark is looked for."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A group in the log, by its verified head.

    Attributes:
        head: what it is.
        start, body_start, end: its bytes in the file.
    """

    head: Head
    start: int
    body_start: int
    end: int

    @property
    def body_bytes(self) -> int:
        """What its body takes."""
        return self.end - self.body_start


class SegmentLog:
    """An open log. It belongs to one thread; every method may raise OSError."""

    def __init__(self, descriptor: int, end: int) -> None:
        self.end = end
        """Where the next record begins."""
        self._descriptor = descriptor

    @classmethod
    def create(cls, path: Path) -> "SegmentLog":
        """Make an empty log."""
        return cls(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), 0)

    @classmethod
    def open_to_read(cls, path: Path) -> "SegmentLog":
        """Open a log of anybody's, as far as it reaches now."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        return cls(descriptor, os.fstat(descriptor).st_size)

    def append(self, records: Sequence[Record]) -> None:
        """Write records and sync them; where that fails, none of them is there.

        Raises:
            OSError: the disk does not take them.
            TornLogError: nor does it take back what it has taken of them; nothing may be appended any more.
        """
        content = memoryview(b"".join(map(to_bytes, records)))
        place = self.end
        try:
            while content:
                written = os.pwrite(self._descriptor, content, place)
                content, place = content[written:], place + written
            os.fdatasync(self._descriptor)
        except OSError as exc:
            try:
                os.ftruncate(self._descriptor, self.end)
            except OSError:
                raise TornLogError from exc
            raise
        self.end = place

    def scan(self, start: int = 0) -> Iterator[Stored]:
        """Find the groups from `start` on, in ascending order of their positions; what is damaged is passed over."""
        place, position = start, 0
        while place + _FRAME_BYTES <= self.end:
            stored = self._stored_at(place)
            if stored is None:
                place = self._next_mark(place + 1)
                continue
            if stored.head.position > position:
                position = stored.head.position
                yield stored
            place = stored.end

    def body_of(self, stored: Stored) -> bytes:
        """Read the body of a group; its checksum is not looked at."""
        return self._read(stored.body_bytes, stored.body_start)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _stored_at(self, place: int) -> Stored | None:
        """Read the head of the record that begins here; None where there is none, or not all of it."""
        frame = self._read(_FRAME_BYTES, place)
        if len(frame) < _FRAME_BYTES or not frame.startswith(MARK):
            return None
        numbers, checksum = frame[len(MARK) : -_CHECKSUM.size], frame[-_CHECKSUM.size :]
        head_bytes, body_bytes = _NUMBERS.unpack(numbers)
        head_start = place + _FRAME_BYTES
        end = head_start + head_bytes + body_bytes
        if head_bytes > MOST_HEAD_BYTES or end > self.end:
            return None
        head = self._read(head_bytes, head_start)
        if zlib.crc32(head, zlib.crc32(numbers)) != _CHECKSUM.unpack(checksum)[0]:
            return None
        with suppress(DamagedGroupError):
            return Stored(read_head(head), place, head_start + head_bytes, end)
        return None

    def _next_mark(self, place: int) -> int:
        """Find the next place where a record may begin, or the end."""
        while place < self.end:
            found = self._read(min(_SEARCH_BYTES, self.end - place), place)
            at = found.find(MARK)
            if at >= 0:
                return place + at
            # A mark may begin in the last bytes; a stretch that cannot be read has none.
            place += max(len(found), _SEARCH_BYTES) - len(MARK) + 1
        return self.end

    def _read(self, count: int, place: int) -> bytes:
        """Read, where the disk can; what it cannot read is as good as missing."""
        try:
            return os.pread(self._descriptor, count, place)
        except OSError:
            return b""


class TornLogError(OSError):
    """A failed append has left a part of itself at the end of a log."""


def to_bytes(record: Record) -> bytes:
    """Write a record as it stands in the log."""
    numbers = _NUMBERS.pack(len(record.head), len(record.body))
    checksum = zlib.crc32(record.head, zlib.crc32(numbers))
    return b"".join((MARK, numbers, _CHECKSUM.pack(checksum), record.head, record.body))


def size_of(record: Record) -> int:
    """Tell how many bytes a record takes in the log."""
    return _FRAME_BYTES + len(record.head) + len(record.body)
