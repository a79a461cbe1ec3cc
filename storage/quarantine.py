"""The quarantine: keeps rejected events within a bound of bytes, and beyond it counts them."""

import time
import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import structlog

from storage.postgres.database import Connection
from storage.sql import statement
from storage.write.batch import (
    PAYLOAD,
    PAYLOAD_BYTES,
    REASON,
    REJECTION_COLUMNS,
    REJECTION_RECEIVED_AT,
    SOURCE,
    VIOLATIONS,
    Rejection,
)
from storage.write.hours import hour_of

log = structlog.get_logger(__name__)

LOOK_INTERVAL_S = 5.0
"""How often a process asks for the table's size; in between it adds up what it writes itself."""
REOPEN_SHARE = 0.9
"""A full quarantine keeps again when it has shrunk to this: what it holds should be whole stretches, not a sample."""
SAMPLE_BYTES = 4 * 1024 * 1024
"""As much of a full quarantine as is read to find out whether it is: 500 pages tell it to a few percent, in 10 ms."""
PAGE_WASTE = 1.5
"""Rows take up at most so much more of their file than they hold: of three in a page, the fourth finds no room."""
ROW_BYTES = 250
"""What a kept event takes beside payload and violations: header, columns, two index entries."""


class Quarantine:
    """Writes rejections, inside the transaction of their batch; shared by the writers of a process.

    Args of the constructor:
        max_bytes: when the table has this size, further events are counted, by hour and reason, and not kept.
    """

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._used_bytes = 0
        self._looked_at_s = -LOOK_INTERVAL_S
        self._full = False

    async def write(self, connection: Connection, rejections: Sequence[Rejection], writer_id: str) -> None:
        """Keep rejections while there is room, and count the others.

        Args:
            connection: in a transaction.
            rejections: in the order of REJECTION_COLUMNS, with ids of their own.
            writer_id: whose batch it is; the counts of one writer never wait for another's.
        """
        await self._look(connection)
        kept = self._choose(rejections)
        if kept:
            await connection.copy_records_to_table("analytics_rejected_events", records=kept, columns=REJECTION_COLUMNS)
        counted = rejections[len(kept) :]
        if counted:
            await connection.execute(statement("write/count_rejections"), *_summarize(counted, writer_id))
        if bool(counted) != self._full:
            self._full = bool(counted)
            log.warning("quarantine_full" if counted else "quarantine_has_room", max_bytes=self._max_bytes)

    async def _look(self, connection: Connection) -> None:
        now_s = time.monotonic()
        if now_s - self._looked_at_s >= LOOK_INTERVAL_S:
            self._looked_at_s = now_s
            used_bytes = await connection.fetchval(statement("write/quarantine_size"))
            if used_bytes > REOPEN_SHARE * self._max_bytes:
                # The file does not shrink with what is purged from its midst; the rows that are left tell the truth.
                percent = min(100.0, 100 * SAMPLE_BYTES / used_bytes)
                live_bytes = await connection.fetchval(statement("quarantine/live_bytes"), percent, ROW_BYTES)
                used_bytes = min(used_bytes, round(PAGE_WASTE * live_bytes))
            self._used_bytes = used_bytes

    def _choose(self, rejections: Sequence[Rejection]) -> Sequence[Rejection]:
        """Take the first rejections that fit; all of them, as a rule."""
        if self._full and self._used_bytes > REOPEN_SHARE * self._max_bytes:
            return []
        for number, rejection in enumerate(rejections):
            size_bytes = ROW_BYTES + len(rejection[VIOLATIONS]) + len(rejection[PAYLOAD] or b"")
            if self._used_bytes + size_bytes > self._max_bytes:
                return rejections[:number]
            self._used_bytes += size_bytes
        return rejections


def _summarize(rejections: Sequence[Rejection], writer_id: str) -> tuple[list[object], ...]:
    """Count rejections by hour, reason and source: ids, hours, reasons, sources, counts and bytes, of one length."""
    counts: Counter[tuple[datetime, str, str]] = Counter()
    payload_bytes: Counter[tuple[datetime, str, str]] = Counter()
    for rejection in rejections:
        key = (hour_of(rejection[REJECTION_RECEIVED_AT]), rejection[REASON], rejection[SOURCE])
        counts[key] += 1
        payload_bytes[key] += rejection[PAYLOAD_BYTES]
    writer = uuid.UUID(writer_id)
    return (
        [str(uuid.uuid5(writer, f"{hour.isoformat()}/{reason}/{source}")) for hour, reason, source in counts],
        [hour for hour, _, _ in counts],
        [reason for _, reason, _ in counts],
        [source for _, _, source in counts],
        list(counts.values()),
        [payload_bytes[key] for key in counts],
    )
