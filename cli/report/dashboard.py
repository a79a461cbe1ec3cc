"""`analytics report dashboard`: totals, revenue, top content and the course of a time range."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from google.protobuf.message import Message
from rich.console import Console

from cli.client import address_option, analytics_stub, open_channel, translated_errors
from cli.render import (
    NOTHING,
    amount_text,
    bar_line,
    bar_text,
    change_text,
    count_text,
    open_console,
    print_csv,
    print_footing,
    print_heading,
    print_json,
    print_line,
    print_table,
    range_text,
    seconds_text,
)
from cli.report.chart import draw_lines, png_option
from cli.report.estimates import list_notes, mark_estimate
from cli.scope import REPORT_TIMEOUT_S, ScopeOptions, one_format, scope_options
from runtime.terminal import examples
from sociallive.analytics.v1.dashboard_pb2 import GetDashboardRequest, GetDashboardResponse, SeriesPoint
from sociallive.analytics.v1.report_scope_pb2 import Revenue

MOST_MARKS = 60
"""Wider is no clearer."""
TABLE_COLUMNS = 50
"""About what the other columns of the table of types take."""
LEAST_MARKS = 10
SHARE_COLUMNS = 24
AMOUNTS = ("Amount", "Before", "Change", "Orders", "Mean order")
NUMBERS = frozenset({"Now", "Before", "Change", "Events", "Share", "Views", *AMOUNTS})
"""Columns that are aligned on the right."""
PERIODS_S = {60: "minute", 3600: "hour", 86400: "day"}
"""Lengths of the periods of a series; a day of 23 or 25 hours is nearest to a day."""


@click.command(
    "dashboard",
    epilog=examples(
        "analytics report dashboard", "analytics report dashboard --from 2026-01-01 --to 2026-02-01 --json"
    ),
)
@scope_options
@click.option(
    "--precision",
    type=click.Choice(["exact", "estimated"]),
    callback=lambda _context, _option, name: f"PRECISION_{name.upper()}" if name else None,
    help="Count distinct users and the like, or estimate them.  [default: count them where events are few]",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print the series as CSV.")
@png_option
@address_option
def command(
    *, scope: ScopeOptions, address: str, precision: str | None, as_json: bool, as_csv: bool, png: Path | None
) -> None:
    """Print totals, revenue, top content and a time series.

    Without a range it shows the last 7 days.
    """
    one_format(as_json=as_json, as_csv=as_csv)
    answer = get_dashboard(address, scope, precision)
    if png is not None:
        draw_dashboard(png, answer)
    if as_json:
        print_json(answer)
    elif as_csv:
        print_csv(series_rows(answer))
    else:
        print_dashboard(open_console(), answer)


def get_dashboard(address: str, scope: ScopeOptions, precision: str | None = None) -> GetDashboardResponse:
    """Ask the service.

    Raises:
        CallError: it cannot be reached, or refuses the question.
    """
    with translated_errors(address), open_channel(address) as channel:
        question = GetDashboardRequest(**scope.fields(), precision=precision)
        answer = analytics_stub(channel).GetDashboard(question, timeout=REPORT_TIMEOUT_S)
    assert isinstance(answer, GetDashboardResponse)  # noqa: S101 - the stub is untyped
    return answer


def print_dashboard(console: Console, answer: GetDashboardResponse) -> None:
    """Print the dashboard as tables."""
    print_heading(console, "Dashboard", answer.info)
    print_table(console, "", ["Figure", "Now", "Before", "Change"], figure_rows(answer), numbers=NUMBERS)
    _print_types(console, answer)
    print_table(console, "Revenue", ["Currency", *AMOUNTS], _revenue_rows(answer), numbers=NUMBERS)
    print_table(
        console,
        "Conversion paths",
        ["Orders", "Revenue", "Path"],
        [
            [
                mark_estimate(answer, "conversion_paths", count_text(path.orders)),
                ", ".join(f"{amount_text(row.amount)} {row.currency}" for row in path.revenue),
                " > ".join(path.steps),
            ]
            for path in answer.conversion_paths
        ],
        numbers=NUMBERS,
    )
    print_table(
        console,
        "Platforms",
        ["Platform", "Events", "Share", ""],
        [
            [
                item.platform or NOTHING,
                count_text(item.events),
                f"{item.events / max(1, answer.events):.1%}",
                bar_text(item.events / max(1, answer.events), SHARE_COLUMNS, console.encoding),
            ]
            for item in answer.platforms
        ],
        numbers=NUMBERS,
    )
    print_table(
        console,
        "Top content",
        ["Views", "Type", "Content"],
        [
            [mark_estimate(answer, "top_content", count_text(content.views)), content.content_type, content.content_id]
            for content in answer.top_content
        ],
        numbers=NUMBERS,
    )
    print_footing(console, answer.info)
    for note in list_notes(answer):
        print_line(console, note, "dim")


def draw_dashboard(path: Path, answer: GetDashboardResponse) -> None:
    """Draw the series, a line a type.

    Raises:
        CommandError: matplotlib is missing, or the file cannot be written.
    """
    zone = ZoneInfo(answer.info.time_zone or "UTC")
    final = {point.time.seconds: point.complete for point in answer.series}
    times = sorted(final)
    lines = {
        total.event_type: _course(answer.series, total.event_type, times, 1) for total in answer.totals if total.count
    }
    draw_lines(
        path,
        f"Events by type: {count_text(answer.events)} of {count_text(answer.users)} users\n{range_text(answer.info)}",
        [datetime.fromtimestamp(time, zone) for time in times],
        [final[time] for time in times],
        lines,
    )


def series_rows(answer: GetDashboardResponse) -> Iterator[Sequence[object]]:
    """List the lines of CSV: a heading, then a period and type a line."""
    yield ["time", "event_type", "count", "complete"]
    for point in answer.series:
        yield [point.time.ToJsonString(), point.event_type, point.count, str(point.complete).lower()]


def figure_rows(answer: GetDashboardResponse) -> list[list[str]]:
    """Write the headline figures: name, now, before, change. Streams are left out where there are none."""
    before = answer.previous
    rows = [
        _count_row("Events", answer.events, before.events),
        _estimated(answer, "users", _count_row("Users", answer.users, before.users)),
        _count_row("New users", answer.new_users, before.new_users),
        _estimated(answer, "sessions", _count_row("Sessions", answer.sessions, before.sessions)),
        _estimated_measure(answer, "Mean session", "mean_session_duration"),
        _measure_row("Mean view", answer, before, "mean_view_duration", seconds_text),
        _estimated_measure(answer, "Median view", "median_view_duration"),
        _count_row("Orders", answer.orders, before.orders),
    ]
    now, then = answer.streams, before.streams
    if now.live_streams or then.live_streams:
        live = _count_row("Live streams", now.live_streams, then.live_streams)
        rows += [
            _estimated(answer, "streams.live_streams", live),
            _measure_row("Peak viewers", now, then, "peak_viewers", "{:,.0f}".format),
            _measure_row("Mean viewers", now, then, "mean_viewers", "{:,.1f}".format),
            _measure_row("Watched", now, then, "watch_duration", seconds_text),
        ]
    return rows


def _estimated(answer: GetDashboardResponse, figure: str, row: list[str]) -> list[str]:
    """Mark a row's two numbers where they are estimates."""
    name, *numbers, change = row
    return [name, *(text if text == NOTHING else mark_estimate(answer, figure, text) for text in numbers), change]


def _estimated_measure(answer: GetDashboardResponse, name: str, field: str) -> list[str]:
    return _estimated(answer, field, _measure_row(name, answer, answer.previous, field, seconds_text))


def _count_row(name: str, now: int, before: int) -> list[str]:
    return [name, count_text(now), count_text(before), change_text(now, before)]


def _measure_row(name: str, now: Message, before: Message, field: str, write: Callable[[float], str]) -> list[str]:
    values = [None if _is_unset(message, field) else float(getattr(message, field)) for message in (now, before)]
    texts = [NOTHING if value is None else write(value) for value in values]
    changed = values[0] is not None and values[1]
    return [name, *texts, change_text(values[0] or 0, values[1] or 0) if changed else NOTHING]


def _is_unset(message: Message, field: str) -> bool:
    return message.DESCRIPTOR.fields_by_name[field].has_presence and not message.HasField(field)


def _revenue_rows(answer: GetDashboardResponse) -> list[list[str]]:
    """Write the revenue of each currency of either range."""
    now, before = ({row.currency: row for row in rows} for rows in (answer.revenue, answer.previous.revenue))
    return [
        [
            currency,
            amount_text(now[currency].amount if currency in now else "0"),
            amount_text(before[currency].amount if currency in before else "0"),
            change_text(_amount(now, currency), _amount(before, currency)),
            count_text(now[currency].orders if currency in now else 0),
            f"{_amount(now, currency) / now[currency].orders:,.2f}" if currency in now else NOTHING,
        ]
        for currency in sorted({*now, *before})
    ]


def _amount(rows: Mapping[str, Revenue], currency: str) -> float:
    return float(rows[currency].amount) if currency in rows else 0.0


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
    print_table(console, "Events by type", columns, rows, numbers=NUMBERS)
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
    incomplete = len({point.time.seconds for point in series if not point.complete})
    note = f"; incomplete: {incomplete} of {len(times)} {period}s" if incomplete else ""
    return f"Before: the range of the same length just before. Course: a mark is {what}{note}."
