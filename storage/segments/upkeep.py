"""What is to be done with the segments of a database now, one piece of work at a time."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from storage.segments.catalogue import WaitingBlock
from storage.segments.plans import SEAL_LATEST, SEAL_LATEST_COPIED, Merge, plan_merge, plan_seal, take_blocks
from storage.segments.store import SegmentStore

MOST_LOST = 10
"""Where other processes are first so often, they do the work."""


@dataclass(frozen=True, slots=True)
class Upkept:
    """A piece of work.

    Attributes:
        inputs: how many blocks or segments it took.
        rows: their events.
        is_done: False where another process has done it first.
    """

    inputs: int
    rows: int
    is_done: bool


class SegmentUpkeep:
    """Finds and does what is to be done; several processes may do so at once, and each event still counts once.

    Args of the constructor:
        store: of the database.
    """

    def __init__(self, store: SegmentStore) -> None:
        self._store = store

    async def blocks_due(self, now: datetime | None) -> list[WaitingBlock]:
        """List the blocks that one sealing takes now, or whatever the time is (None); damaged ones are left out."""
        waiting = await self._store.catalogue.list_blocks()
        readable = [block for block in waiting if block.id not in self._store.keeper.damaged]
        latest = SEAL_LATEST_COPIED if self._store.copies else SEAL_LATEST
        return list(take_blocks(readable) if now is None else plan_seal(readable, now, latest))

    async def merge_due(self) -> Merge | None:
        """Choose the segments to merge next; damaged ones are left out."""
        live = await self._store.catalogue.list_segments()
        return plan_merge([segment for segment in live if segment.id not in self._store.keeper.damaged])

    async def seal(self, now: datetime | None = None) -> Upkept | None:
        """Seal once; None where nothing is due.

        Raises:
            BlockError: none of the blocks can be read.
            StorageUnavailableError: the database is away.
        """
        blocks = await self.blocks_due(now)
        if not blocks:
            return None
        is_done = await self._store.keeper.seal(blocks)
        return Upkept(len(blocks), sum(block.rows for block in blocks), is_done)

    async def merge(self) -> Upkept | None:
        """Merge once; None where nothing is due.

        Raises:
            SegmentError: a segment cannot be read, or was swept meanwhile.
            StorageUnavailableError: the database is away.
        """
        merge = await self.merge_due()
        if merge is None:
            return None
        is_done = await self._store.keeper.merge(merge)
        return Upkept(len(merge.segments), sum(segment.rows for segment in merge.segments), is_done)

    async def seal_all(self) -> Sequence[Upkept]:
        """Seal until nothing waits but what cannot be read; answer what was done here.

        Raises:
            BlockError, StorageUnavailableError: as `seal`.
        """
        return await _repeat(self.seal)

    async def merge_all(self) -> Sequence[Upkept]:
        """Merge until nothing is due; answer what was done here.

        Raises:
            SegmentError, StorageUnavailableError: as `merge`.
        """
        return await _repeat(self.merge)


async def _repeat(work: Callable[[], Awaitable[Upkept | None]]) -> Sequence[Upkept]:
    done: list[Upkept] = []
    lost = 0
    while lost < MOST_LOST and (upkept := await work()) is not None:
        if upkept.is_done:
            done.append(upkept)
        else:
            lost += 1
    return done
