"""The job that seals what waits, now and all of it; by itself the jobs process seals what is due every second."""

from datetime import timedelta

from jobs.open_segments import open_segments
from jobs.request import JobRequest, Outcome
from storage.segments.upkeep import SegmentUpkeep

MICROSECOND = timedelta(microseconds=1)
"""Ends are exclusive."""


async def run(request: JobRequest) -> Outcome:
    """Put the events of all blocks that can be read into segments; idempotent.

    Raises:
        BlockError: there are blocks, and none can be read.
        StorageUnavailableError: what is left is for the next run.
    """
    store = open_segments(request.database, request.settings)
    waiting = await store.catalogue.list_blocks()
    blocks, rows = len(waiting), sum(block.rows for block in waiting)
    if not request.dry_run:
        sealed = await SegmentUpkeep(store).seal_all()
        blocks, rows = sum(one.inputs for one in sealed), sum(one.rows for one in sealed)
    return Outcome(
        rows=rows,
        start=min((block.first_at for block in waiting), default=None),
        end=max((block.last_at + MICROSECOND for block in waiting), default=None),
        details={"blocks": blocks},
    )
