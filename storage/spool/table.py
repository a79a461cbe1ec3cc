"""The groups of a segment in SQLite: written by its owner, read by its drainer."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from storage.spool.codec import GROUP_COLUMNS, Group, Record, decode, parse_hours
from storage.spool.errors import DamagedGroupError
from storage.spool.files import SegmentFiles, size_of

PAGE_BYTES = 4096
"""SQLite's default, fixed here: the salvage of a damaged file does not trust the file to tell."""
CHECKPOINT_BYTES = 4 * 1024 * 1024
"""The WAL is copied into the database when it has grown by so much: seldom enough to cost little, and soon enough that
the segment's files are not twice what they hold."""
OWNER_PATIENCE_S = 0.1
"""Only a reader of another process can be in the owner's way, and only at a checkpoint, which can wait."""
READER_PATIENCE_S = 5.0
"""How long a reader waits for another who is just recovering the same WAL."""

_COLUMNS = ", ".join(GROUP_COLUMNS)
# Positions are given, not made by SQLite: the checksum covers them, and a gap shows a loss.
_CREATE = (
    "CREATE TABLE spooled (position INTEGER PRIMARY KEY, format INTEGER, writer_id TEXT, number INTEGER, "
    "claimed_at TEXT, events INTEGER, hours TEXT, checksum INTEGER, body BLOB)"
)
_INSERT = f"INSERT INTO spooled ({_COLUMNS}) VALUES ({', '.join('?' * len(GROUP_COLUMNS))})"
_READ = f"SELECT {_COLUMNS} FROM spooled WHERE position = ?"
_DELETE = "DELETE FROM spooled WHERE position <= ?"
_SUM = "SELECT count(*), min(position), max(position), sum(events), sum(length(body)) FROM spooled WHERE position > ?"
# A damaged schema may take another column for the key.
_HOURS = "SELECT position, writer_id, number, hours FROM spooled WHERE typeof(position) = 'integer' ORDER BY position"


@dataclass(frozen=True, slots=True)
class TableSummary:
    """What a table holds past some position; first and last are 0 where it holds nothing."""

    groups: int
    first: int
    last: int
    events: int
    body_bytes: int


class GroupTable:
    """A segment's database. Every method may raise sqlite3.Error."""

    def __init__(self, files: SegmentFiles, connection: sqlite3.Connection, *, is_own: bool) -> None:
        self.is_own = is_own
        self._files = files
        self._connection = connection
        self._checkpoint_at_bytes = CHECKPOINT_BYTES

    @classmethod
    def create(cls, files: SegmentFiles) -> "GroupTable":
        """Make the database of a new segment.

        Raises:
            OSError: the file system is of no use for it.
        """
        table = cls(files, _connect(files.database, "rwc", OWNER_PATIENCE_S), is_own=True)
        try:
            table._set_up()
        except BaseException:
            table.close()
            raise
        return table

    @classmethod
    def open_to_read(cls, files: SegmentFiles) -> "GroupTable":
        """Open the database of a segment of anybody's.

        Nothing is changed, not even by closing: a WAL whose tail SQLite cannot read stays as it is for the salvage.
        """
        return cls(files, _connect(files.database, "ro", READER_PATIENCE_S), is_own=False)

    def append(self, records: Sequence[Record]) -> None:
        """Write records in one transaction, synced; none of them when it fails."""
        self._transact(_INSERT, records)

    def delete_through(self, position: int) -> None:
        """Delete all groups up to a position; later appends use their room."""
        self._transact(_DELETE, [(position,)])

    def read(self, position: int) -> Group:
        """Read one group.

        Raises:
            DamagedGroupError: it is not there, or is not what was written.
        """
        records = self._fetch(_READ, position)
        if not records:
            raise DamagedGroupError(f"group {position} is missing")
        return decode(records[0])

    def summarize(self, removed: int) -> TableSummary:
        """Sum up the groups past `removed` without reading their bodies."""
        ((groups, first, last, events, body_bytes),) = self._fetch(_SUM, removed)
        return TableSummary(groups, first or 0, last or 0, events or 0, body_bytes or 0)

    def read_hours(self) -> list[tuple[int, str | None, int, dict[datetime, int]]]:
        """Read position, identity (writer or None, number) and counts by hour (UTC) of all groups."""
        return [
            (position, writer_id, number, parse_hours(hours))
            for position, writer_id, number, hours in self._fetch(_HOURS)
        ]

    def free_bytes(self) -> int:
        """Measure the room inside the database that removed groups have left."""
        ((pages,),) = self._fetch("PRAGMA freelist_count")
        return int(pages) * PAGE_BYTES

    def wal_bytes(self) -> int:
        """Measure what the next checkpoint copies, at most."""
        return size_of(self._files.wal)

    def checkpoint_if_due(self) -> None:
        """Copy the WAL into the database when it has grown enough."""
        if self.wal_bytes() >= self._checkpoint_at_bytes:
            self.checkpoint()

    def checkpoint(self) -> None:
        """Copy the WAL into the database and empty it; where that fails nothing is lost, and later it is retried."""
        with suppress(sqlite3.Error):
            self._fetch("PRAGMA wal_checkpoint(TRUNCATE)")
        self._checkpoint_at_bytes = self.wal_bytes() + CHECKPOINT_BYTES

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def _set_up(self) -> None:
        for pragma in (
            f"page_size = {PAGE_BYTES}",
            "synchronous = FULL",
            # Checkpoints are made by hand, so that a failing one does not fail the append before it.
            "wal_autocheckpoint = 0",
            "cell_size_check = ON",
        ):
            self._fetch(f"PRAGMA {pragma}")
        if self._fetch("PRAGMA journal_mode = WAL") != [("wal",)]:
            raise OSError("this file system lacks what SQLite's WAL needs")
        self._fetch(_CREATE)

    def _fetch(self, statement: str, *parameters: Any) -> list[Any]:
        with _malformed_as_such():
            return self._connection.execute(statement, parameters).fetchall()

    def _transact(self, statement: str, parameters: Sequence[Sequence[Any]]) -> None:
        self._fetch("BEGIN IMMEDIATE")
        try:
            with _malformed_as_such():
                self._connection.executemany(statement, parameters)
            self._fetch("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # SQLite has rolled back already after some errors
                self._connection.execute("ROLLBACK")
            raise


@contextmanager
def _malformed_as_such() -> Iterator[None]:
    """Translate what Python raises where SQLite's message quotes a damaged schema, which need not be text any more."""
    try:
        yield
    except (UnicodeDecodeError, OverflowError) as exc:
        error = sqlite3.DatabaseError("the database is malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error from exc


def _connect(path: Path, mode: str, patience_s: float) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=patience_s, isolation_level=None
    )
