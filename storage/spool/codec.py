"""A group on disk: one appended batch as the columns of a SQLite row, with a checksum over all of them."""

import json
import zlib
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from operator import itemgetter
from typing import Any

import orjson

from storage.batch import (
    PAYLOAD,
    RECEIVED_AT,
    REJECTION_RECEIVED_AT,
    TIMESTAMP,
    Batch,
    BatchIdentity,
    Rejection,
    Row,
)
from storage.hours import count_by_hour
from storage.spool.errors import DamagedGroupError

FORMAT = 1
"""The version of this layout. Its number is part of every group, so that a later one can read both."""
GROUP_COLUMNS = ("position", "format", "writer_id", "number", "claimed_at", "events", "hours", "checksum", "body")
"""The columns of a group, small ones first: SQLite reads them without touching the pages of a long body."""

EVENTS, BODY = 5, 8
Record = tuple[Any, ...]
"""The values of GROUP_COLUMNS."""


@dataclass(frozen=True, slots=True)
class Group:
    """One appended batch, verified, its body not unpacked yet.

    Attributes:
        position: 1, 2, 3, ... within the segment.
        identity: what the batch was tried under against Postgres; None where it never was.
        claimed_at: the batch's own.
        events: how many rows and rejections the body holds.
        hours: how many of them were received in each hour (UTC).
        body: JSON.
    """

    position: int
    identity: BatchIdentity | None
    claimed_at: datetime
    events: int
    hours: Mapping[datetime, int]
    body: bytes

    def unpack(self) -> tuple[list[Row], list[Rejection]]:
        """Restore rows and rejections as they were appended.

        Raises:
            DamagedGroupError: a body that has its checksum and yet is none.
        """
        try:
            content = _load(self.body)
            return [_row(*row) for row in content["rows"]], [_rejection(*parts) for parts in content["rejections"]]
        except (ValueError, TypeError, KeyError) as exc:
            raise DamagedGroupError(f"the body of group {self.position} cannot be read") from exc


def encode(batch: Batch, position: int) -> Record:
    """Turn a batch into the record of a group."""
    identity = batch.identity
    header = (
        position,
        FORMAT,
        identity.writer_id if identity else None,
        identity.number if identity else None,
        batch.claimed_at.isoformat(),
        len(batch),
        orjson.dumps(_count_hours(batch)).decode(),
    )
    body = _dump({"rows": batch.rows, "rejections": [_plain(rejection) for rejection in batch.rejections]})
    return (*header, _checksum(header, body), body)


def decode(record: Sequence[Any]) -> Group:
    """Verify a record and turn it into a group.

    Raises:
        DamagedGroupError: it is not what `encode` made, or a later version made it.
    """
    *header, checksum, body = record
    if not isinstance(body, bytes) or _checksum(header, body) != checksum:
        raise DamagedGroupError("a group does not have its checksum")
    position, layout, writer_id, number, claimed_at, events, hours = header
    if layout != FORMAT:
        raise DamagedGroupError(f"group {position} has the layout {layout} of another version")
    return Group(
        position=position,
        identity=None if writer_id is None else BatchIdentity(writer_id, number),
        claimed_at=datetime.fromisoformat(claimed_at),
        events=events,
        hours=parse_hours(hours),
        body=body,
    )


def parse_hours(text: str) -> dict[datetime, int]:
    """Read the column `hours`."""
    return {datetime.fromisoformat(hour): count for hour, count in orjson.loads(text).items()}


def add_hours(parts: Iterable[Mapping[datetime, int]]) -> dict[datetime, int]:
    """Sum counts by hour, ascending."""
    total: Counter[datetime] = Counter()
    for part in parts:
        total.update(part)
    return dict(sorted(total.items()))


def _count_hours(batch: Batch) -> dict[str, int]:
    moments = chain(map(itemgetter(RECEIVED_AT), batch.rows), map(itemgetter(REJECTION_RECEIVED_AT), batch.rejections))
    counts = count_by_hour((moment, "") for moment in moments)
    return {hour.isoformat(): count for (hour, _), count in counts.items()}


def _checksum(header: Sequence[Any], body: bytes) -> int:
    """CRC-32 finds every burst of up to 32 bits, and others but for one in four thousand million."""
    return zlib.crc32(body, zlib.crc32(repr(tuple(header)).encode("utf-8", "surrogatepass")))


def _dump(content: object) -> bytes:
    try:
        return orjson.dumps(content)
    except TypeError:
        # A lone surrogate, or a number past 64 bits: Postgres will refuse that row alone, and so its neighbours must
        # get there.
        return json.dumps(content, default=datetime.isoformat).encode()


def _load(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return json.loads(body)


def _row(*values: Any) -> Row:
    row = list(values)
    row[TIMESTAMP] = datetime.fromisoformat(row[TIMESTAMP])
    row[RECEIVED_AT] = datetime.fromisoformat(row[RECEIVED_AT])
    return tuple(row)


def _plain(rejection: Rejection) -> list[Any]:
    parts = list(rejection)
    if parts[PAYLOAD] is not None:
        parts[PAYLOAD] = b64encode(parts[PAYLOAD]).decode()
    return parts


def _rejection(*values: Any) -> Rejection:
    parts = list(values)
    parts[REJECTION_RECEIVED_AT] = datetime.fromisoformat(parts[REJECTION_RECEIVED_AT])
    if parts[PAYLOAD] is not None:
        parts[PAYLOAD] = b64decode(parts[PAYLOAD])
    return tuple(parts)
