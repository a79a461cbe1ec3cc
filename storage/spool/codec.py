"""A group on disk: one appended batch as a head, which says what it is, and a body, which holds its events."""

import json
import zlib
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

import orjson

from storage.spool.errors import DamagedGroupError
from storage.write.batch import (
    PAYLOAD,
    RECEIVED_AT,
    REJECTION_RECEIVED_AT,
    TIMESTAMP,
    Batch,
    BatchIdentity,
    Rejection,
    Row,
)
from storage.write.hours import count_by_hour

FORMAT = 1
"""The version of this layout. Its number is part of every group, so that a later one can read both."""


class Record(NamedTuple):
    """A group to be written."""

    head: bytes
    """JSON: the values of `Head`, in order."""
    body: bytes
    """JSON: rows and rejections."""
    events: int


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of a group without its body.

    Attributes:
        position: 1, 2, 3, ... within the segment.
        identity: what the batch was tried under against Postgres; None where it never was.
        claimed_at: the batch's own.
        events: how many rows and rejections the body holds.
        hours: how many of them were received in each hour (UTC).
        checksum: CRC-32 of the body. It finds every burst of up to 32 bits, and others but for one in four thousand
            million.
    """

    position: int
    identity: BatchIdentity | None
    claimed_at: datetime
    events: int
    hours: Mapping[datetime, int]
    checksum: int


def encode(batch: Batch, position: int) -> Record:
    """Turn a batch into the record of a group."""
    body = _dump({"rows": batch.rows, "rejections": [_plain(rejection) for rejection in batch.rejections]})
    identity = batch.identity
    head = (
        FORMAT,
        position,
        [identity.writer_id, identity.number] if identity else None,
        batch.claimed_at,
        len(batch),
        _count_hours(batch),
        zlib.crc32(body),
    )
    return Record(orjson.dumps(head), body, len(batch))


def read_head(head: bytes) -> Head:
    """Read the head of a record.

    Raises:
        DamagedGroupError: `encode` did not make it, or a later version did.
    """
    try:
        layout, position, identity, claimed_at, events, hours, checksum = orjson.loads(head)
        if layout != FORMAT:
            raise DamagedGroupError(f"group {position} has the layout {layout} of another version")
        return Head(
            position=position,
            identity=BatchIdentity(*identity) if identity else None,
            claimed_at=datetime.fromisoformat(claimed_at),
            events=events,
            hours={datetime.fromisoformat(hour): count for hour, count in hours.items()},
            checksum=checksum,
        )
    except (ValueError, TypeError, AttributeError) as exc:
        raise DamagedGroupError("this is not the head of a group") from exc


def unpack(head: Head, body: bytes) -> tuple[list[Row], list[Rejection]]:
    """Restore rows and rejections as they were appended.

    Raises:
        DamagedGroupError: the body is not what `encode` made.
    """
    if zlib.crc32(body) != head.checksum:
        raise DamagedGroupError(f"the body of group {head.position} does not have its checksum")
    try:
        content = _load(body)
        return [_row(*row) for row in content["rows"]], [_rejection(*parts) for parts in content["rejections"]]
    except (ValueError, TypeError, KeyError) as exc:
        raise DamagedGroupError(f"the body of group {head.position} cannot be read") from exc


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
