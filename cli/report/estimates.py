"""Notes on a dashboard's answer: which figures are estimates, and which events could not be counted."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from cli.render import local_time
from sociallive.analytics.v1.dashboard_pb2 import Estimate, GetDashboardResponse

MARK = "~"
"""Stands before an estimate."""
NAMES = {
    "users": "users",
    "sessions": "sessions",
    "mean_session_duration": "mean session",
    "median_view_duration": "median view",
    "streams.live_streams": "live streams",
    "top_content": "top content",
    "conversion_paths": "conversion paths",
}
"""What the command calls a figure; others by the name of their field."""


def mark_estimate(answer: GetDashboardResponse, figure: str, text: str) -> str:
    """Put the mark before a figure's text where it is an estimate."""
    return MARK + text if any(estimate.figure == figure for estimate in answer.estimates) else text


def list_notes(answer: GetDashboardResponse) -> Iterator[str]:
    """Yield a line on estimates and one on what is not counted, where there are any."""
    if answer.estimates:
        errors = ", ".join(f"{NAMES.get(item.figure, item.figure)} {_error_text(item)}" for item in answer.estimates)
        yield f"{MARK} is an estimate: {errors}. --precision exact counts, which takes longer."
    zone = ZoneInfo(answer.info.time_zone or "UTC")
    gone = ", ".join(
        f"{local_time(span.start_time, zone):%Y-%m-%d %H:%M} to {local_time(span.end_time, zone):%Y-%m-%d %H:%M}"
        for span in answer.missing_ranges
    )
    if gone:
        yield f"Not counted, because these events are deleted and only sums over longer times are left: {gone}."


def _error_text(estimate: Estimate) -> str:
    match estimate.WhichOneof("error"):
        case "standard_error":
            return f"±{2 * estimate.standard_error:.1%} (19 of 20)"
        case "largest_error":
            return f"±{estimate.largest_error:.1%}"
        case _:
            return f"+{estimate.largest_count:,} at most"
