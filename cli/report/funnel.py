"""`analytics report funnel`: how many actors go through a sequence of steps."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
from rich.console import Console

from cli.client import address_option, analytics_stub, open_channel, translated_errors
from cli.render import (
    NOTHING,
    bar_text,
    count_text,
    local_time,
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
from cli.report.chart import Bar, draw_bars, png_option
from cli.scope import REPORT_TIMEOUT_S, ScopeOptions, one_format, scope_options
from runtime.terminal import examples
from sociallive.analytics.v1.funnel_pb2 import (
    FunnelEntry,
    FunnelExclusion,
    FunnelOrder,
    FunnelStep,
    GetFunnelRequest,
    GetFunnelResponse,
    ListFunnelActorsRequest,
    ListFunnelActorsResponse,
)

ORDERS = {name.removeprefix("FUNNEL_ORDER_").lower(): name for name, number in FunnelOrder.items() if number}
ENTRIES = {name.removeprefix("FUNNEL_ENTRY_").lower(): name for name, number in FunnelEntry.items() if number}
"""What the options take, and the name in the .proto file."""
PAGE_SIZE = 1_000
"""The most that one page of actors may hold."""
DEFAULT_LIMIT = 20
"""What fits a terminal."""
BAR_MARKS = 16
STEP_FIELDS = (
    "step",
    "users",
    "dropped",
    "conversion_from_first",
    "conversion_from_previous",
    "mean_seconds",
    "median_seconds",
    "p90_seconds",
)
"""The columns of a step in CSV, as the .proto file names them."""


@click.command(
    "funnel",
    epilog=examples(
        "analytics report funnel view 'purchase:amount>=20' --timeframe 30d",
        "analytics report funnel view engagement purchase --breakdown platform",
        "analytics report funnel view purchase --actors 1 --dropped",
    ),
)
@click.argument("steps", nargs=-1, required=True)
@scope_options
@click.option(
    "--window", default="", metavar="LENGTH", help="Time in which the steps follow: 30m, 12h, 14d.  [default: 14d]"
)
@click.option("--order", type=click.Choice(list(ORDERS)), help="How steps follow each other.  [default: ordered]")
@click.option("--entry", type=click.Choice(list(ENTRIES)), help="Which attempt of an actor counts.  [default: best]")
@click.option(
    "--exclude",
    "exclusions",
    type=(str, int, int),
    multiple=True,
    metavar="STEP FROM TO",
    help="An event that ends an attempt between two steps, counted from 0; may be repeated.",
)
@click.option("--breakdown", default="", metavar="FIELD", help="Split by a field, as in platform or metadata.source.")
@click.option(
    "--actors", "step", type=click.IntRange(0), metavar="N", help="List the actors of a step, from 0, instead."
)
@click.option("--dropped", is_flag=True, help="With --actors: those who took the step before and not this one.")
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=DEFAULT_LIMIT,
    show_default=True,
    metavar="N",
    help="With --actors: maximum number of actors to list.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print the numbers as CSV.")
@png_option
@address_option
def command(
    *,
    steps: tuple[str, ...],
    scope: ScopeOptions,
    window: str,
    order: str | None,
    entry: str | None,
    exclusions: Sequence[tuple[str, int, int]],
    breakdown: str,
    step: int | None,
    dropped: bool,
    limit: int,
    address: str,
    as_json: bool,
    as_csv: bool,
    png: Path | None,
) -> None:
    """Print how many actors complete a sequence of steps.

    Each of STEPS is an event type, with conditions where wanted: `view`, `purchase:amount>=20`. Without a range it
    shows the last 30 days.
    """
    one_format(as_json=as_json, as_csv=as_csv)
    if dropped and step is None:
        raise click.UsageError("--dropped needs --actors, which says of which step")
    if png is not None and step is not None:
        raise click.UsageError("--png draws the steps and cannot draw a list of --actors")
    question = GetFunnelRequest(
        **scope.fields(),
        steps=steps,
        window=window,
        order=ORDERS[order] if order else None,
        entry=ENTRIES[entry] if entry else None,
        exclusions=[FunnelExclusion(step=text, from_step=first, to_step=last) for text, first, last in exclusions],
        breakdown=breakdown,
    )
    if step is None:
        answer = get_funnel(address, question)
        if png is not None:
            draw_funnel(png, answer)
        _print(answer, as_json=as_json, csv_rows=funnel_rows(answer) if as_csv else None)
        if not (as_json or as_csv):
            print_funnel(open_console(), answer)
        return
    actors = list_actors(address, ListFunnelActorsRequest(funnel=question, step=step, dropped=dropped), limit)
    _print(actors, as_json=as_json, csv_rows=actor_rows(actors) if as_csv else None)
    if not (as_json or as_csv):
        print_actors(open_console(), actors)


def get_funnel(address: str, question: GetFunnelRequest) -> GetFunnelResponse:
    """Ask the service.

    Raises:
        CallError: it cannot be reached, or refuses the question.
    """
    with translated_errors(address), open_channel(address) as channel:
        answer = analytics_stub(channel).GetFunnel(question, timeout=REPORT_TIMEOUT_S)
    assert isinstance(answer, GetFunnelResponse)  # noqa: S101 - the stub is untyped
    return answer


def list_actors(address: str, question: ListFunnelActorsRequest, limit: int) -> ListFunnelActorsResponse:
    """Ask for up to `limit` actors, page by page.

    Returns:
        One answer that holds the actors of all pages, and the token of the page that would follow.

    Raises:
        CallError: the service cannot be reached, or refuses the question.
    """
    answer = ListFunnelActorsResponse()
    with open_channel(address) as channel:
        stub = analytics_stub(channel)
        while True:
            question.page_size = min(PAGE_SIZE, limit - len(answer.actors))
            with translated_errors(address):
                page = stub.ListFunnelActors(question, timeout=REPORT_TIMEOUT_S)
            if not answer.HasField("info"):
                answer.info.CopyFrom(page.info)
            answer.actors.extend(page.actors)
            answer.next_page_token = question.page_token = page.next_page_token
            if not page.next_page_token or len(answer.actors) >= limit:
                return answer


def print_funnel(console: Console, answer: GetFunnelResponse) -> None:
    """Print the steps with bars, then the times between them, then the groups, a column a step."""
    print_heading(console, "Funnel", answer.info)
    rows = [
        [
            step.step,
            count_text(step.users),
            f"{step.conversion_from_first:.1%}",
            f"{step.conversion_from_previous:.1%}",
            count_text(step.dropped),
            bar_text(step.conversion_from_first, BAR_MARKS, console.encoding),
        ]
        for step in answer.steps
    ]
    columns = ["Step", "Users", "Of first", "Of previous", "Dropped", "Share"]
    print_table(console, "", columns, rows, numbers=frozenset(columns[1:-1]), elastic=frozenset({"Step"}))
    rows = [
        [step.step, *(_time(step, field) for field in ("median_seconds", "mean_seconds", "p90_seconds"))]
        for step in answer.steps[1:]
        if step.users
    ]
    columns = ["Step", "Median", "Mean", "90% within"]
    title = "Time since the step before"
    print_table(console, title, columns, rows, numbers=frozenset(columns[1:]), elastic=frozenset({"Step"}))
    rows = [
        [
            group.value or NOTHING,
            *(count_text(step.users) for step in group.steps),
            f"{group.steps[-1].conversion_from_first:.1%}",
        ]
        for group in answer.groups
    ]
    columns = ["Group", *(step.step for step in answer.steps), "Of first"]
    print_table(
        console, "Users by group", columns, rows, numbers=frozenset(columns[1:]), elastic=frozenset(columns[:-1])
    )
    if answer.open_users:
        print_line(console, "")
        print_line(console, f"{count_text(answer.open_users)} more may still take the last step: their window is open.")
    print_footing(console, answer.info)


def draw_funnel(path: Path, answer: GetFunnelResponse) -> None:
    """Draw the users of each step as a bar.

    Raises:
        CommandError: matplotlib is missing, or the file cannot be written.
    """
    bars = [
        Bar(step.step, step.users, f"{count_text(step.users)}  ({step.conversion_from_first:.1%})")
        for step in answer.steps
    ]
    draw_bars(path, f"Users by step\n{range_text(answer.info)}", bars)


def print_actors(console: Console, answer: ListFunnelActorsResponse) -> None:
    """Print the actors with the times of their steps."""
    print_heading(console, "Actors", answer.info)
    zone = ZoneInfo(answer.info.time_zone or "UTC")
    rows = [
        [
            actor.actor_id,
            actor.value or NOTHING,
            "  ".join(f"{local_time(at, zone):%Y-%m-%d %H:%M:%S}" for at in actor.step_times),
        ]
        for actor in answer.actors
    ]
    if not rows:
        print_line(console, "No actors.")
        return
    print_table(console, "", ["Actor", "Group", "Steps"], rows, elastic=frozenset({"Actor", "Group"}))
    if answer.next_page_token:
        print_line(console, f"These are the first {len(rows):,} by id; --limit shows more.", "dim")
    print_footing(console, answer.info)


def funnel_rows(answer: GetFunnelResponse) -> Iterator[Sequence[object]]:
    """List the lines of CSV: a heading, the steps of all actors (no group), then those of each group."""
    yield ["group", "number", *STEP_FIELDS]
    for name, steps in [("", answer.steps), *((group.value, group.steps) for group in answer.groups)]:
        for number, step in enumerate(steps):
            yield [name, number, *(_cell(step, field) for field in STEP_FIELDS)]


def actor_rows(answer: ListFunnelActorsResponse) -> Iterator[Sequence[object]]:
    """List the lines of CSV: a heading, then an actor a line with the times of its steps in UTC."""
    most = max((len(actor.step_times) for actor in answer.actors), default=0)
    yield ["actor_id", "value", *(f"step_{number}_time" for number in range(most))]
    for actor in answer.actors:
        yield [actor.actor_id, actor.value, *(at.ToJsonString() for at in actor.step_times)]


def _print(answer: Any, *, as_json: bool, csv_rows: Iterator[Sequence[object]] | None) -> None:
    if as_json:
        print_json(answer)
    if csv_rows is not None:
        print_csv(csv_rows)


def _time(step: FunnelStep, field: str) -> str:
    return seconds_text(getattr(step, field)) if step.HasField(field) else NOTHING


def _cell(step: FunnelStep, field: str) -> object:
    return "" if field.endswith("_seconds") and not step.HasField(field) else getattr(step, field)
