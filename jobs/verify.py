"""The job that recomputes rollups and reports where they differ."""

from jobs.request import JobRequest, Outcome
from jobs.stored_range import stored_range
from storage.rollups import verify

MOST_TOLD = 20
"""Differences that a report names; the first ones show where to look."""


async def run(request: JobRequest) -> Outcome:
    """Compare the rollups of a range, or of all raw events, with what they are made of; changes nothing anyway.

    Raises:
        LeaseTakenError, StorageUnavailableError: nothing was compared.
    """
    found = await verify(request.database, *await stored_range(request))
    differences = [
        f"{one.timeframe.value} {one.time:%Y-%m-%d %H:%M} {one.event_type}: {one.stored}, not {one.expected}"
        for one in found.differences[:MOST_TOLD]
    ]
    details: dict[str, object] = {"events": found.events, "differences": len(found.differences)}
    if differences:
        details["first_differences"] = differences
    return Outcome(rows=found.rollups, start=found.start, end=found.end, details=details, is_good=not found.differences)
