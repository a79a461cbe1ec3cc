"""The job that merges what is worth while, now; by itself the jobs process merges after each sealing."""

from jobs.open_segments import open_segments
from jobs.request import JobRequest, Outcome
from storage.segments.upkeep import SegmentUpkeep
from storage.summaries.folding import SummaryKeeper


async def run(request: JobRequest) -> Outcome:
    """Merge small segments into larger ones until no merge is worth while, and put summaries together; idempotent.

    Raises:
        SegmentError: a segment cannot be read.
        StorageUnavailableError: what is left is for the next run.
    """
    upkeep = SegmentUpkeep(open_segments(request.database, request.settings))
    if request.dry_run:
        merge = await upkeep.merge_due()
        segments = () if merge is None else merge.segments
        return Outcome(rows=sum(segment.rows for segment in segments), details={"segments": len(segments)})
    merged = await upkeep.merge_all()
    periods = await SummaryKeeper(request.database).compact()
    return Outcome(
        rows=sum(one.rows for one in merged),
        details={"merges": len(merged), "segments": sum(one.inputs for one in merged), "compacted_periods": periods},
    )
