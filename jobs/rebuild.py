"""The job that makes summaries anew."""

from dataclasses import replace

from jobs import verify
from jobs.open_segments import open_segments
from jobs.request import JobRequest, Outcome
from jobs.stored_range import stored_range
from storage.summaries.checking.rebuilding import rebuild


async def run(request: JobRequest) -> Outcome:
    """Recount the summaries of a range, or of all raw events; hours whose events have aged out stay as they are.

    A dry run lists the summaries that would change, as a verification does.

    Raises:
        SegmentError, SummaryError: something cannot be read; it is named.
        StorageUnavailableError: what is left is for another run.
    """
    if request.dry_run:
        return replace(await verify.run(request), is_good=True)
    store = open_segments(request.database, request.settings)
    done = await rebuild(request.database, store.reader, *await stored_range(request, store))
    return Outcome(start=done.start, end=done.end, details={"hours": done.hours, "kept_periods": done.kept_periods})
