"""`analytics report dashboard`: totals, revenue, top content and the course of a time range."""

import math
from collections.abc import Sequence

import click
from rich.console import Console

from server.cli.client import address_option, analytics_stub, open_channel, translated_errors
from server.cli.render import (
    NOTHING,
    amount_text,
    bar_line,
    change_text,
    count_text,
    open_console,
    print_footing,
    print_heading,
    print_json,
    print_line,
    print_table,
    seconds_text,
)
from server.cli.report_scope import REPORT_TIMEOUT_S, ScopeOptions, scope_options
from sociallive.analytics.v1.dashboard_pb2 import GetDashboardRequest, GetDashboardResponse, SeriesPoint

MOST_MARKS = 60
"""Wider is no clearer."""
TABLE_COLUMNS = 50
"""About what the other columns of the table of types take."""
LEAST_MARKS = 10
PERIODS_S = {60: "minute", 3600: "hour", 86400: "day"}
"""Lengths of the periods of a series; a day of 23 or 25 hours is nearest to a day."""


@click.command("dashboard")
@scope_options
@address_option
def command(*, scope: ScopeOptions, address: str, as_json: bool) -> None:
    """Print totals, revenue, top content and the course of a time range.

    Without a range it shows the last 7 days.
    """
    answer = get_dashboard(address, scope)
    if as_json:
        print_json(answer)
    else:
        print_dashboard(open_console(), answer)


def get_dashboard(address: str, scope: ScopeOptions) -> GetDashboardResponse:
    """Ask the service.

    Raises:
        CallError: it cannot be reached, or refuses the question.
    """
    with translated_errors(address), open_channel(address) as channel:
        answer = analytics_stub(channel).GetDashboard(GetDashboardRequest(**scope.fields()), timeout=REPORT_TIMEOUT_S)
    assert isinstance(answer, GetDashboardResponse)  # noqa: S101 - the stub is untyped
    return answer


def print_dashboard(console: Console, answer: GetDashboardResponse) -> None:
    """Print the dashboard as tables."""
    print_heading(console, "Dashboard", answer.info)
    mean_s = answer.mean_view_duration if answer.HasField("mean_view_duration") else None
    figures = {
        "Events": count_text(answer.events),
        "Users": count_text(answer.users),
        "New users": count_text(answer.new_users),
        "Sessions": count_text(answer.sessions),
        "Mean view": NOTHING if mean_s is None else seconds_text(mean_s),
    }
    print_table(console, "", list(figures), [list(figures.values())], numbers=frozenset(figures))
    _print_types(console, answer)
    print_table(
        console,
        "Revenue",
        ["Currency", "Amount", "Orders", "Mean order"],
        [
            [r.currency, amount_text(r.amount), count_text(r.orders), f"{float(r.amount) / max(1, r.orders):,.2f}"]
            for r in answer.revenue
        ],
        numbers=frozenset({"Amount", "Orders", "Mean order"}),
    )
    print_table(
        console,
        "Top content",
        ["Views", "Type", "Content"],
        [[count_text(c.views), c.content_type, c.content_id] for c in answer.top_content],
        numbers=frozenset({"Views"}),
    )
    print_footing(console, answer.info)


def _print_types(console: Console, answer: GetDashboardResponse) -> None:
    """Print the types with their change since the range before, and their course as a line of marks."""
    times = sorted({point.time.seconds for point in answer.series})
    width = min(MOST_MARKS, max(LEAST_MARKS, console.width - TABLE_COLUMNS))
    per_mark = max(1, math.ceil(len(times) / width))
    rows = [
        [
            total.event_type,
            count_text(total.count),
            count_text(total.previous_count),
            change_text(total.count, total.previous_count),
            bar_line(_course(answer.series, total.event_type, times, per_mark), console.encoding),
        ]
        for total in answer.totals
    ]
    columns = ["Type", "Events", "Before", "Change", "Course"]
    print_table(console, "Events by type", columns, rows, numbers=frozenset({"Events", "Before", "Change"}))
    if rows and times:
        print_line(console, _legend(answer.series, times, per_mark), "dim")


def _course(series: Sequence[SeriesPoint], event_type: str, times: Sequence[int], per_mark: int) -> list[int]:
    """Sum a type's counts over `per_mark` periods a mark, oldest first."""
    place = {time: index // per_mark for index, time in enumerate(times)}
    sums = [0] * math.ceil(len(times) / per_mark)
    for point in series:
        if point.event_type == event_type:
            sums[place[point.time.seconds]] += point.count
    return sums


def _legend(series: Sequence[SeriesPoint], times: Sequence[int], per_mark: int) -> str:
    length_s = times[1] - times[0] if len(times) > 1 else 0
    period = PERIODS_S[min(PERIODS_S, key=lambda known_s: abs(known_s - length_s))] if length_s else "period"
    what = f"one {period}" if per_mark == 1 else f"{per_mark} {period}s"
    incomplete = len({point.time.seconds for point in series if point.incomplete})
    note = f"; incomplete: {incomplete} of {len(times)} {period}s" if incomplete else ""
    return f"Before: the range of the same length just before. Course: a mark is {what}{note}."
