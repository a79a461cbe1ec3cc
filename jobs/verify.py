"""The job that recounts summaries and reports where they differ."""

from jobs.open_segments import open_segments
from jobs.request import JobRequest, Outcome
from jobs.stored_range import stored_range
from storage.summaries.checking.verification import verify
from storage.summaries.parts import name_of

MOST_TOLD = 20
"""Differences that a report names; the first ones show where to look."""


async def run(request: JobRequest) -> Outcome:
    """Compare the summaries of a range, or of all raw events, with what they are made of; changes nothing anyway.

    Raises:
        SegmentError, SummaryError: something cannot be read; it is named.
        StorageUnavailableError: not everything was compared.
    """
    store = open_segments(request.database, request.settings)
    found = await verify(request.database, store.reader, *await stored_range(request, store))
    differences = [
        f"{name_of(one.period)} {one.what}: {one.stored}, not {one.expected}" for one in found.differences[:MOST_TOLD]
    ]
    details: dict[str, object] = {"events": found.events, "differences": len(found.differences)}
    if differences:
        details["first_differences"] = differences
    return Outcome(
        rows=found.summaries, start=found.start, end=found.end, details=details, is_good=not found.differences
    )
