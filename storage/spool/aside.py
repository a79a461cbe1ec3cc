"""What was set aside: spooled batches that Postgres did not take, each a file of its own until somebody puts it back.

A file has two lines of JSON: what it is, and the events. It is complete or absent.
"""

import json
import os
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from storage.spool.codec import encode, read_head, unpack
from storage.spool.errors import DamagedGroupError
from storage.spool.files import sync_folder
from storage.spool.portion import Portion
from storage.write.batch import Batch, BatchIdentity

FOLDER = "aside"
_SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class SetAside:
    """A batch that was set aside.

    Attributes:
        path: of its file, whose stem is its name.
        segment_id, first, through: where it came from: these positions of that segment.
        identity: under which it is stored once it is put back. It is a new one: its segment's ledger has gone on.
        set_aside_at: an aware time.
        error: why, as the type of the error and its SQLSTATE.
        events: how many rows and rejections it holds.
        hours: how many of them were received in each hour (UTC).
    """

    path: Path
    segment_id: str
    first: int
    through: int
    identity: BatchIdentity
    set_aside_at: datetime
    error: str
    events: int
    hours: Mapping[datetime, int]

    @property
    def name(self) -> str:
        """By which commands know it."""
        return self.path.stem

    def holds(self, segment_id: str, position: int) -> bool:
        """Tell whether the group at this position of that segment is in it."""
        return segment_id == self.segment_id and self.first <= position <= self.through


def write_aside(folder: Path, segment_id: str, portion: Portion, *, error: str, now: datetime) -> Path:
    """Write a portion of a segment beside the spool in `folder`, durably; writing it again changes nothing.

    Raises:
        OSError: the disk does not take it; nothing of it stays.
    """
    identity = portion.batch.identity
    assert identity is not None  # noqa: S101 - every portion has one
    # Always the same new one: a batch that is put back twice, by two people or through a crash, is stored once.
    anew = BatchIdentity(str(uuid.uuid5(uuid.UUID(identity.writer_id), str(identity.number))), 1)
    record = encode(replace(portion.batch, identity=anew), portion.through)
    header = {
        "segment_id": segment_id,
        "first": portion.first,
        "through": portion.through,
        "set_aside_at": now.isoformat(),
        "error": error,
        "head": record.head.decode(),
    }
    aside = folder / FOLDER
    path = aside / f"{segment_id}-{portion.through}{_SUFFIX}"
    if not aside.exists():
        aside.mkdir(mode=0o700)
        sync_folder(folder)
    unfinished = path.with_suffix(".unfinished")
    try:
        with unfinished.open("wb") as file:
            file.write(json.dumps(header).encode() + b"\n" + record.body + b"\n")
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
    finally:
        unfinished.unlink(missing_ok=True)
    sync_folder(aside)
    return path


def list_aside(folder: Path) -> list[SetAside]:
    """List what was set aside beside the spool in `folder`, oldest first; nothing where there is none."""
    found = []
    for path in sorted((folder / FOLDER).glob(f"*{_SUFFIX}")):
        with suppress(FileNotFoundError), path.open("rb") as file:  # it may have been put back this moment
            found.append(_describe(path, json.loads(file.readline())))
    return sorted(found, key=lambda each: each.set_aside_at)


def read_aside(aside: SetAside) -> Batch:
    """Read the batch, under its identity.

    Raises:
        OSError: it is not there any more, or cannot be read.
        DamagedGroupError: it is not what was written.
    """
    header, _, body = aside.path.read_bytes().partition(b"\n")
    head = read_head(json.loads(header)["head"].encode())
    rows, rejections = unpack(head, body.removesuffix(b"\n"))
    if head.identity != aside.identity:
        raise DamagedGroupError(f"{aside.name} has another identity than its header says")
    return Batch(rows, rejections, head.claimed_at, head.identity)


def remove_aside(aside: SetAside) -> None:
    """Remove what has been put back.

    Raises:
        OSError: the file system does not let us.
    """
    aside.path.unlink(missing_ok=True)
    sync_folder(aside.path.parent)


def _describe(path: Path, header: Mapping[str, Any]) -> SetAside:
    head = read_head(header["head"].encode())
    assert head.identity is not None  # noqa: S101 - `write_aside` gives it one
    return SetAside(
        path,
        header["segment_id"],
        header["first"],
        header["through"],
        head.identity,
        datetime.fromisoformat(header["set_aside_at"]),
        header["error"],
        head.events,
        head.hours,
    )
