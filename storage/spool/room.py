"""How much an append takes on disk, and whether that fits: the folder never grows past its bound."""

from dataclasses import dataclass
from pathlib import Path

from storage.spool.files import measure
from storage.spool.table import PAGE_BYTES, GroupTable

SEGMENT_BYTES = 64 * 1024
"""What an empty segment takes, generously: its lock, two pages, their WAL, and SQLite's 32 KiB of shared memory."""
_PAGES_BESIDE_BODY = 6
"""How many pages a group changes beside those its body fills: its leaf, those above it, the list of free pages."""
_FRAME_HEADER_BYTES = 24
_LINK_BYTES = 4
"""What the WAL adds to a page, and what a page of a long body needs for itself."""


@dataclass(slots=True)
class Room:
    """What is left of a folder's bound.

    A group is written twice, into the WAL and at the next checkpoint into the database, and the WAL is emptied only
    after that; so room is reserved for both, and for what the WAL holds already.

    Attributes:
        left_bytes: how much the files may still grow.
        free_bytes: room inside our own database that removed groups have left.
        wal_bytes: how much a checkpoint would add to `left_bytes`.
    """

    left_bytes: int
    free_bytes: int
    wal_bytes: int

    @classmethod
    def look(cls, folder: Path, max_bytes: int, own: GroupTable | None) -> "Room":
        """Measure the room for appends to `own`, or to a segment that is yet to be made."""
        left_bytes = max_bytes - measure(folder)
        if own is None:
            return cls(left_bytes - SEGMENT_BYTES, 0, 0)
        return cls(left_bytes - own.wal_bytes(), own.free_bytes(), own.wal_bytes())

    def needs(self, body_bytes: int) -> int:
        """Tell by how much the files grow, at most, by a group with such a body."""
        pages = body_bytes // (PAGE_BYTES - _LINK_BYTES) + 1 + _PAGES_BESIDE_BODY
        return pages * (PAGE_BYTES + _FRAME_HEADER_BYTES) + max(0, pages * PAGE_BYTES - self.free_bytes)

    def take(self, body_bytes: int) -> bool:
        """Reserve room for a group; say whether there was enough."""
        needed_bytes = self.needs(body_bytes)
        if needed_bytes > self.left_bytes:
            return False
        self.left_bytes -= needed_bytes
        self.free_bytes = max(0, self.free_bytes - body_bytes - _PAGES_BESIDE_BODY * PAGE_BYTES)
        return True
