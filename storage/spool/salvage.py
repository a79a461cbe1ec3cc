"""Salvage: reads the groups of a damaged segment from the pages of its files, past what SQLite can follow.

SQLite finds a row through the pages above it, and stops at the first damaged one; of a WAL it ignores all that follows
the first damaged byte, without a word. Here every page of both files is looked at by itself, and a group counts when
its checksum holds: a damaged page costs the groups that lie in it and no others. Nothing is written.

The layout is https://www.sqlite.org/fileformat2.html: table leaves (section 1.6), records (2.1), WAL frames (4).
"""

import os
import struct
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from storage.spool.codec import Group, decode
from storage.spool.errors import DamagedGroupError
from storage.spool.files import SegmentFiles
from storage.spool.table import PAGE_BYTES

_TABLE_LEAF = 0x0D
_LEAF_HEADER_BYTES = 8
_LARGEST_LOCAL_BYTES = PAGE_BYTES - 35
_SMALLEST_LOCAL_BYTES = (PAGE_BYTES - 12) * 32 // 255 - 23
"""How much of a record lies in its leaf: all of it up to the first, else at least the second."""
_LINK_BYTES = 4
_OVERFLOW_BYTES = PAGE_BYTES - _LINK_BYTES
"""An overflow page is the number of the next one, then content."""
_WAL_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24
_FRAME_BYTES = _FRAME_HEADER_BYTES + PAGE_BYTES
_IN_DATABASE = -1
"""Stands for the frame of a page that lies in the database, older than all frames of the WAL."""
_VARINT_MOST_BYTES = 9
_INTEGER_BYTES = (0, 1, 2, 3, 4, 6, 8)
_SERIAL_ZERO, _SERIAL_ONE, _SERIAL_BLOB, _SERIAL_TEXT = 8, 9, 12, 13


@dataclass(frozen=True, slots=True)
class _Cell:
    """A record that may be a group: where it lies, and up to which frame its overflow pages are looked for.

    They were written in one transaction with the leaf, so `until` is the end of that: a later frame whose number is
    damaged may claim to be one of them.
    """

    frame: int
    page: int
    offset: int
    until: int
    position: int


@dataclass(frozen=True, slots=True)
class Found:
    """A group that can be read."""

    cell: _Cell
    events: int
    body_bytes: int


class SalvagedGroups:
    """The groups of a damaged segment, found once and read when they are asked for.

    Raises:
        OSError: a file cannot be opened, for a reason that is not the file's.
    """

    def __init__(self, files: SegmentFiles) -> None:
        self._pages = _Pages(files)
        self.found: dict[int, Found] = {}
        for cell in self._pages.cells():
            if cell.position in self.found:
                continue  # another version of the same leaf
            with suppress(DamagedGroupError):
                group = self._decode(cell)
                self.found[group.position] = Found(cell, group.events, len(group.body))

    def read(self, position: int) -> Group:
        """Read one group.

        Raises:
            DamagedGroupError: it is not among those found, or cannot be read any more.
        """
        if position not in self.found:
            raise DamagedGroupError(f"group {position} is lost")
        return self._decode(self.found[position].cell)

    def groups(self) -> Iterator[Group]:
        """Read all groups, in order."""
        for position in sorted(self.found):
            with suppress(DamagedGroupError):
                yield self.read(position)

    def close(self) -> None:
        """Close the files."""
        self._pages.close()

    def _decode(self, cell: _Cell) -> Group:
        try:
            return decode(self._pages.record(cell))
        except (ValueError, IndexError, TypeError, OverflowError, struct.error) as exc:
            raise DamagedGroupError("what lies here is no group") from exc


class _Pages:
    """Every version of every page that the two files hold."""

    def __init__(self, files: SegmentFiles) -> None:
        self._database = _open(files.database)
        self._wal = _open(files.wal)
        self._page_count = _size(self._database) // PAGE_BYTES
        self._frame_count = max(0, _size(self._wal) - _WAL_HEADER_BYTES) // _FRAME_BYTES
        self._most_bytes = PAGE_BYTES * (self._page_count + self._frame_count)
        self._page_of_frame: list[int] = []
        self._frames_of_page: dict[int, list[int]] = defaultdict(list)
        self._commits: list[int] = []
        for frame in range(self._frame_count):
            header = _pread(self._wal, 8, _WAL_HEADER_BYTES + frame * _FRAME_BYTES)
            page, pages_after_commit = struct.unpack(">II", header.ljust(8, b"\0"))
            self._page_of_frame.append(page)
            self._frames_of_page[page].append(frame)
            if pages_after_commit:
                self._commits.append(frame)

    def close(self) -> None:
        for descriptor in (self._database, self._wal):
            if descriptor is not None:
                os.close(descriptor)
        self._database = self._wal = None

    def cells(self) -> Iterator[_Cell]:
        """List the cells of all table leaves, those in the database first."""
        for page in range(1, self._page_count + 1):
            yield from self._cells_of(_IN_DATABASE, page, _IN_DATABASE)
        for frame, page in enumerate(self._page_of_frame):
            commit = bisect_left(self._commits, frame)
            yield from self._cells_of(
                frame, page, self._commits[commit] if commit < len(self._commits) else self._frame_count
            )

    def _cells_of(self, frame: int, page: int, until: int) -> Iterator[_Cell]:
        leaf = self._page(frame, page)
        for offset in _cell_offsets(leaf):
            with suppress(IndexError):
                _, key_offset = _varint(leaf, offset)
                position, _ = _varint(leaf, key_offset)
                yield _Cell(frame, page, offset, until, position)

    def record(self, cell: _Cell) -> list[Any]:
        """Read a cell as the values of GROUP_COLUMNS; ValueError and the like where it makes no sense."""
        leaf = self._page(cell.frame, cell.page)
        size, offset = _varint(leaf, cell.offset)
        position, offset = _varint(leaf, offset)
        if size > self._most_bytes:
            raise ValueError("longer than the files")
        local = size
        if size > _LARGEST_LOCAL_BYTES:
            local = _SMALLEST_LOCAL_BYTES + (size - _SMALLEST_LOCAL_BYTES) % _OVERFLOW_BYTES
            if local > _LARGEST_LOCAL_BYTES:
                local = _SMALLEST_LOCAL_BYTES
        parts = [leaf[offset : offset + local]]
        missing = size - local
        link = leaf[offset + local : offset + local + _LINK_BYTES]
        while missing > 0:
            content = self._newest(int.from_bytes(link, "big"), cell.until)
            link = content[:_LINK_BYTES]
            parts.append(content[_LINK_BYTES : _LINK_BYTES + missing])
            missing -= _OVERFLOW_BYTES
        values = _values(b"".join(parts))
        return [position, *values[1:]]  # the key is stored in place of the first value

    def _newest(self, page: int, until: int) -> bytes:
        frames = self._frames_of_page.get(page, [])
        newest = bisect_right(frames, until)
        content = self._page(frames[newest - 1] if newest else _IN_DATABASE, page)
        if len(content) != PAGE_BYTES:
            raise ValueError("a page is missing")
        return content

    def _page(self, frame: int, page: int) -> bytes:
        if frame == _IN_DATABASE:
            return _pread(self._database, PAGE_BYTES, (page - 1) * PAGE_BYTES) if page else b""
        return _pread(self._wal, PAGE_BYTES, _WAL_HEADER_BYTES + frame * _FRAME_BYTES + _FRAME_HEADER_BYTES)


def _cell_offsets(leaf: bytes) -> list[int]:
    if len(leaf) != PAGE_BYTES or leaf[0] != _TABLE_LEAF:
        return []
    # Two cells share no byte and none is shorter than its pointer, which bounds what a damaged count can claim.
    count = min(int.from_bytes(leaf[3:5], "big"), (PAGE_BYTES - _LEAF_HEADER_BYTES) // 4)
    pointers = struct.unpack_from(f">{count}H", leaf, _LEAF_HEADER_BYTES)
    return [offset for offset in pointers if _LEAF_HEADER_BYTES <= offset < PAGE_BYTES]


def _varint(content: bytes, offset: int) -> tuple[int, int]:
    value = 0
    for index in range(_VARINT_MOST_BYTES - 1):
        byte = content[offset + index]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:  # noqa: PLR2004 - the bit that says whether more bytes follow
            return value, offset + index + 1
    return value << 8 | content[offset + _VARINT_MOST_BYTES - 1], offset + _VARINT_MOST_BYTES


def _values(record: bytes) -> list[Any]:
    header_bytes, offset = _varint(record, 0)
    content = header_bytes
    values: list[Any] = []
    while offset < header_bytes:
        serial, offset = _varint(record, offset)
        value, content = _value(record, serial, content)
        values.append(value)
    return values


def _value(record: bytes, serial: int, offset: int) -> tuple[Any, int]:
    if serial < len(_INTEGER_BYTES):
        end = offset + _INTEGER_BYTES[serial]
        return (int.from_bytes(record[offset:end], "big", signed=True) if serial else None), end
    if serial in {_SERIAL_ZERO, _SERIAL_ONE}:
        return serial - _SERIAL_ZERO, offset
    if serial < _SERIAL_BLOB:
        raise ValueError("a kind of value that groups do not have")
    end = offset + (serial - _SERIAL_BLOB) // 2
    content = record[offset:end]
    return (content.decode() if serial % 2 else content), end


def _open(path: os.PathLike[str]) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None


def _size(descriptor: int | None) -> int:
    return 0 if descriptor is None else os.fstat(descriptor).st_size


def _pread(descriptor: int | None, count: int, offset: int) -> bytes:
    """Read, where the disk can; a page that it cannot read is as good as missing."""
    if descriptor is None:
        return b""
    try:
        return os.pread(descriptor, count, offset)
    except (OSError, OverflowError):
        return b""
