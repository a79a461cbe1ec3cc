"""`analytics report retention`: how many actors come back."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from rich.console import Console

from cli.client import address_option, analytics_stub, open_channel, translated_errors
from cli.render import period_texts, print_csv, print_footing, print_heading, print_json, range_text
from cli.report.chart import draw_heat_map, png_option
from cli.report.shares import ShareRow, print_shares
from cli.scope import REPORT_TIMEOUT_S, ScopeOptions, granularity_option, one_format, scope_options
from runtime.terminal import count_text, examples, open_console, print_line
from sociallive.analytics.v1.retention_pb2 import (
    GetRetentionRequest,
    GetRetentionResponse,
    RetentionCell,
    RetentionEntry,
    RetentionKind,
    RetentionWindow,
    WeekStart,
)

KINDS = {name.removeprefix("RETENTION_KIND_").lower(): name for name, number in RetentionKind.items() if number}
WINDOWS = {name.removeprefix("RETENTION_WINDOW_").lower(): name for name, number in RetentionWindow.items() if number}
ENTRIES = {name.removeprefix("RETENTION_ENTRY_").lower(): name for name, number in RetentionEntry.items() if number}
WEEK_STARTS = {name.removeprefix("WEEK_START_").lower(): name for name, number in WeekStart.items() if number}
"""What the options take, and the name in the .proto file."""


@click.command(
    "retention",
    epilog=examples(
        "analytics report retention --timeframe 30d",
        "analytics report retention --kind brackets --bracket 1-7 --bracket 8-28",
    ),
)
@scope_options
@click.option("--entry-step", default="", metavar="STEP", help="The event by which actors enter.  [default: any]")
@click.option("--return-step", default="", metavar="STEP", help="The event by which they come back.  [default: any]")
@granularity_option
@click.option("--kind", type=click.Choice(list(KINDS)), help="When a return counts.  [default: on]")
@click.option("--window", type=click.Choice(list(WINDOWS)), help="How periods are counted.  [default: calendar]")
@click.option("--entry", type=click.Choice(list(ENTRIES)), help="How actors enter.  [default: first_ever]")
@click.option(
    "--periods", type=click.IntRange(0), default=0, metavar="N", help="Periods to show.  [default: those of the range]"
)
@click.option(
    "--bracket",
    "brackets",
    multiple=True,
    metavar="A-B",
    help="Periods to show together, as in 1-7; may be repeated, and needs --kind brackets.",
)
@click.option("--week-start", type=click.Choice(list(WEEK_STARTS)), help="The first day of weeks.  [default: monday]")
@click.option("--csv", "as_csv", is_flag=True, help="Print the numbers as CSV.")
@png_option
@address_option
def command(
    *,
    scope: ScopeOptions,
    entry_step: str,
    return_step: str,
    granularity: str | None,
    kind: str | None,
    window: str | None,
    entry: str | None,
    periods: int,
    brackets: Sequence[str],
    week_start: str | None,
    address: str,
    as_json: bool,
    as_csv: bool,
    png: Path | None,
) -> None:
    """Print how many actors come back, period by period.

    Without a range it shows the last 30 days.
    """
    one_format(as_json=as_json, as_csv=as_csv)
    question = GetRetentionRequest(
        **scope.fields(),
        entry_step=entry_step,
        return_step=return_step,
        granularity=granularity,
        kind=KINDS[kind] if kind else None,
        window=WINDOWS[window] if window else None,
        entry=ENTRIES[entry] if entry else None,
        periods=periods,
        brackets=brackets,
        week_start=WEEK_STARTS[week_start] if week_start else None,
    )
    with translated_errors(address), open_channel(address) as channel:
        answer = analytics_stub(channel).GetRetention(question, timeout=REPORT_TIMEOUT_S)
    if png is not None:
        title = f"Actors that came back, by periods since they entered\n{range_text(answer.info)}"
        draw_heat_map(png, title, *retention_grid(answer, brackets))
    if as_json:
        print_json(answer)
    elif as_csv:
        print_csv(retention_rows(answer))
    else:
        print_retention(open_console(), answer, brackets)


def print_retention(console: Console, answer: GetRetentionResponse, brackets: Sequence[str] = ()) -> None:
    """Print a line a cohort, and the mean as the last line."""
    print_heading(console, "Retention", answer.info)
    columns, rows = retention_grid(answer, brackets)
    print_shares(console, ["Cohort", "Actors"], columns, rows, what="periods")
    if not all(cell.complete for cohort in answer.cohorts for cell in cohort.cells):
        print_line(console, "* not over yet, and not in the mean", "dim")
    print_footing(console, answer.info)


def retention_grid(
    answer: GetRetentionResponse, brackets: Sequence[str] = ()
) -> tuple[Sequence[str], Sequence[ShareRow]]:
    """Lay the cohorts out as a grid: its columns, and a line a cohort with the mean as the last one."""
    zone = ZoneInfo(answer.info.time_zone or "UTC")
    names = period_texts([cohort.start_time for cohort in answer.cohorts], zone)
    rows = [
        ShareRow(
            [name, count_text(cohort.size)],
            [(cell.users / cohort.size, cell.complete) for cell in begun(cohort.cells)[1:]] if cohort.size else [],
        )
        for name, cohort in zip(names, answer.cohorts, strict=True)
    ]
    size = sum(cohort.size for cohort in answer.cohorts)
    rows.append(ShareRow(["mean", count_text(size)], [(share, True) for share in answer.mean[1:]]))
    most = max((len(cohort.cells) for cohort in answer.cohorts), default=1)
    columns = list(brackets) or [str(number) for number in range(1, most)]
    return columns, rows


def begun(cells: Sequence[RetentionCell]) -> Sequence[RetentionCell]:
    """Leave out the cells at the end that nobody can have filled yet: all after the first one that is under way."""
    last = len(cells)
    while last > 1 and not cells[last - 1].users and not cells[last - 1].complete and not cells[last - 2].complete:
        last -= 1
    return cells[:last]


def retention_rows(answer: GetRetentionResponse) -> Iterator[Sequence[object]]:
    """List the lines of CSV: a heading, then a cell a line."""
    yield ["cohort", "size", "index", "users", "complete"]
    for cohort in answer.cohorts:
        for cell in cohort.cells:
            yield [cohort.start_time.ToJsonString(), cohort.size, cell.index, cell.users, str(cell.complete).lower()]
