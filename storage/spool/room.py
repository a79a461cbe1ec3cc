"""How much an append takes on disk, and whether that fits: the folder never grows past its bound."""

from dataclasses import dataclass
from pathlib import Path

from storage.spool.files import measure
from storage.spool.table import PAGE_BYTES, GroupTable

SEGMENT_BYTES = 64 * 1024
"""What an empty segment takes, generously: its lock, two pages, their WAL, and SQLite's 32 KiB of shared memory."""
MOST_WORKSPACE_BYTES = 16 * 1024 * 1024
WORKSPACE_SHARE = 16
"""A part of the bound, and at most twice a writer's largest batch, is kept for the WAL alone. So a spool that has been
full takes events again as soon as some are removed: they fill their place, but must pass through the WAL."""
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
        workspace_bytes: how much of that is for the WAL alone.
        free_bytes: room inside our own database that removed groups have left.
        wal_bytes: how much a checkpoint would add to `left_bytes`.
    """

    left_bytes: int
    workspace_bytes: int
    free_bytes: int = 0
    wal_bytes: int = 0

    @classmethod
    def look(cls, folder: Path, max_bytes: int, own: GroupTable | None) -> "Room":
        """Measure the room for appends to `own`, or to a segment that is yet to be made."""
        left_bytes = max_bytes - measure(folder)
        workspace_bytes = min(MOST_WORKSPACE_BYTES, max_bytes // WORKSPACE_SHARE)
        if own is None:
            return cls(left_bytes - SEGMENT_BYTES, workspace_bytes)
        wal_bytes = own.wal_bytes()
        return cls(left_bytes - wal_bytes, workspace_bytes, own.free_bytes(), wal_bytes)

    def needs(self, body_bytes: int) -> int:
        """Tell how many bytes must be left for a group with such a body."""
        database_bytes = self._database_growth(body_bytes)
        return _wal_growth(body_bytes) + database_bytes + (self.workspace_bytes if database_bytes else 0)

    def take(self, body_bytes: int) -> bool:
        """Reserve room for a group; say whether there was enough."""
        if self.needs(body_bytes) > self.left_bytes:
            return False
        self.left_bytes -= _wal_growth(body_bytes) + self._database_growth(body_bytes)
        self.free_bytes = max(0, self.free_bytes - _pages(body_bytes) * PAGE_BYTES)
        return True

    def _database_growth(self, body_bytes: int) -> int:
        return max(0, _pages(body_bytes) * PAGE_BYTES - self.free_bytes)


def _wal_growth(body_bytes: int) -> int:
    return _pages(body_bytes) * (PAGE_BYTES + _FRAME_HEADER_BYTES)


def _pages(body_bytes: int) -> int:
    return body_bytes // (PAGE_BYTES - _LINK_BYTES) + 1 + _PAGES_BESIDE_BODY
