"""`analytics report cohort`: what actors do in the periods after they first came."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from rich.console import Console

from cli.client import address_option, analytics_stub, open_channel, translated_errors
from cli.render import (
    NOTHING,
    amount_text,
    period_texts,
    print_csv,
    print_footing,
    print_heading,
    print_json,
    range_text,
)
from cli.report.chart import draw_heat_map, png_option
from cli.report.shares import ShareRow, print_shares
from cli.scope import REPORT_TIMEOUT_S, ScopeOptions, granularity_option, one_format, scope_options
from runtime.terminal import count_text, examples, open_console, print_line, print_table
from sociallive.analytics.v1.cohort_pb2 import Cohort, GetCohortRequest, GetCohortResponse
from sociallive.analytics.v1.report_scope_pb2 import Revenue


@click.command("cohort", epilog=examples("analytics report cohort --step purchase --granularity week --timeframe 12w"))
@scope_options
@click.option("--step", default="", metavar="STEP", help="The event by which actors join, as in purchase.")
@granularity_option
@click.option("--csv", "as_csv", is_flag=True, help="Print the numbers as CSV.")
@png_option
@address_option
def command(
    *,
    scope: ScopeOptions,
    step: str,
    granularity: str | None,
    address: str,
    as_json: bool,
    as_csv: bool,
    png: Path | None,
) -> None:
    """Print what actors do in the periods after they joined.

    Without a range it shows the last 30 days.
    """
    one_format(as_json=as_json, as_csv=as_csv)
    question = GetCohortRequest(**scope.fields(), step=step, granularity=granularity)
    with translated_errors(address), open_channel(address) as channel:
        answer = analytics_stub(channel).GetCohort(question, timeout=REPORT_TIMEOUT_S)
    if png is not None:
        title = f"Active members, by periods since they joined\n{range_text(answer.info)}"
        draw_heat_map(png, title, *cohort_grid(answer))
    if as_json:
        print_json(answer)
    elif as_csv:
        print_csv(cohort_rows(answer))
    else:
        print_cohorts(open_console(), answer)


def print_cohorts(console: Console, answer: GetCohortResponse) -> None:
    """Print the share of members by period, then what each cohort has done altogether."""
    print_heading(console, "Cohorts", answer.info)
    columns, rows = cohort_grid(answer)
    if not rows:
        print_line(console, "No cohorts.")
        return
    print_shares(console, ["Cohort", "Actors"], columns, rows, what="periods")
    if not all(period.complete for cohort in answer.cohorts for period in cohort.periods):
        print_line(console, "* not over yet", "dim")
    totals = [
        [row.labels[0], f"{cohort.periods[-1].cumulative_events:,}", _revenue(cohort)]
        for row, cohort in zip(rows, answer.cohorts, strict=True)
        if cohort.size
    ]
    print_table(console, "Altogether", ["Cohort", "Events", "Revenue"], totals, numbers=frozenset({"Events"}))
    print_footing(console, answer.info)


def cohort_grid(answer: GetCohortResponse) -> tuple[Sequence[str], Sequence[ShareRow]]:
    """Lay the cohorts out as a grid: its columns, and a line a cohort."""
    zone = ZoneInfo(answer.info.time_zone or "UTC")
    most = max((len(cohort.periods) for cohort in answer.cohorts), default=0)
    names = period_texts([cohort.start_time for cohort in answer.cohorts], zone)
    rows = [
        ShareRow(
            [name, count_text(cohort.size)],
            [(period.share, period.complete) for period in cohort.periods] if cohort.size else [],
        )
        for name, cohort in zip(names, answer.cohorts, strict=True)
    ]
    return [str(number) for number in range(most)], rows


def cohort_rows(answer: GetCohortResponse) -> Iterator[Sequence[object]]:
    """List the lines of CSV: a heading, then a period and currency a line; the currency is empty without purchases."""
    yield ["cohort", "size", "index", "users", "share", "events", "currency", "amount", "orders", "complete"]
    for cohort in answer.cohorts:
        for period in cohort.periods:
            for item in period.revenue or [Revenue()]:
                yield [
                    cohort.start_time.ToJsonString(),
                    cohort.size,
                    period.index,
                    period.users,
                    period.share,
                    period.events,
                    item.currency,
                    item.amount,
                    item.orders,
                    str(period.complete).lower(),
                ]


def _revenue(cohort: Cohort) -> str:
    revenue = cohort.periods[-1].cumulative_revenue
    return ", ".join(f"{amount_text(item.amount)} {item.currency}" for item in revenue) or NOTHING
