"""How results look: tables and numbers for people, one document of JSON for programs."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import click
from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from rich import box
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from server.reports.scope import from_timestamp
from sociallive.analytics.v1.report_scope_pb2 import ReportInfo

MOST_COLUMN = 36
"""Characters of a column that a terminal shows, but for the last one: the length of a UUID."""
LEAST_COLUMN = 10
LEAST_LAST = 32
"""Characters of the last column that others which can be cut give way to: enough for two or three fields."""
COLUMN_GAP = 3
"""What rich puts between two columns of a table of this kind."""
MARKS = " ▁▂▃▄▅▆▇█"
ASCII_MARKS = " .:-=+*#@"
NOTHING = "-"
"""Stands for a value that does not exist, as the mean of nothing."""


def open_console(*, stderr: bool = False) -> Console:
    """Make the console for stdout or stderr: coloured on a terminal, plain in a pipe or where NO_COLOR is set."""
    return Console(stderr=stderr, markup=False, highlight=False, emoji=False)


def print_json(answer: Message) -> None:
    """Print an answer as protobuf JSON, one document on stdout; numbers and texts stand there even when empty."""
    click.echo(json_format.MessageToJson(answer, always_print_fields_with_no_presence=True, ensure_ascii=False))


def print_heading(console: Console, title: str, info: ReportInfo) -> None:
    """Print a report's title and range."""
    zone = ZoneInfo(info.time_zone or "UTC")
    span = f"{local_time(info.start_time, zone):%Y-%m-%d %H:%M} to {local_time(info.end_time, zone):%Y-%m-%d %H:%M}"
    print_line(console, f"{title}  {span} {zone.key}", "bold")


def print_footing(console: Console, info: ReportInfo) -> None:
    """Print below a report's numbers what they mean and how fresh they are."""
    lines = [printable(info.definition)] if info.definition else []
    if info.HasField("as_of"):
        zone = ZoneInfo(info.time_zone or "UTC")
        lines.append(f"As of {local_time(info.as_of, zone):%Y-%m-%d %H:%M:%S} {zone.key}.")
    for line in ("", *lines) if lines else ():
        print_line(console, line, "dim")


def print_table(
    console: Console,
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    numbers: frozenset[str] = frozenset(),
    elastic: frozenset[str] = frozenset(),
) -> None:
    """Print a table below a blank line; nothing where it has no rows.

    Args:
        console: where to.
        title: what the table shows; no line where it is empty.
        columns: the headings.
        rows: one text a column.
        numbers: the columns to align on the right.
        elastic: the columns that a narrow terminal may cut for the sake of the last one.
    """
    if not rows:
        return
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    print_line(console, "")
    if title:
        print_line(console, title, "bold")
    if not console.is_terminal:
        for row in (columns, *cells):
            aligned = [
                cell.rjust(width) if name in numbers else cell.ljust(width)
                for name, cell, width in zip(columns, row, widths, strict=True)
            ]
            print_line(console, "  ".join(aligned).rstrip())
        return
    widths = _fitted(columns, widths, console.width, elastic)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for name, width in zip(columns, widths, strict=True):
        justify: JustifyMethod = "right" if name in numbers else "left"
        table.add_column(name, justify=justify, no_wrap=True, overflow="ellipsis", width=width)
    for row in cells:
        table.add_row(*(Text(cell, overflow="ellipsis") for cell in row))
    console.print(table)


def _fitted(columns: Sequence[str], widths: Sequence[int], room: int, elastic: frozenset[str]) -> list[int]:
    """Fit a table into `room`: first the elastic columns give way, widest first, then the last one."""
    fitted = [min(width, MOST_COLUMN) for width in widths[:-1]]
    room -= COLUMN_GAP * len(fitted)
    last = min(widths[-1], LEAST_LAST)
    while sum(fitted) + last > room:
        widest = max(
            (index for index, name in enumerate(columns[:-1]) if name in elastic), key=fitted.__getitem__, default=None
        )
        if widest is None or fitted[widest] <= LEAST_COLUMN:
            break
        fitted[widest] -= 1
    return [*fitted, max(LEAST_COLUMN, min(widths[-1], room - sum(fitted)))]


def print_line(console: Console, line: str, style: str = "") -> None:
    """Print a line: wrapped at words on a terminal, as long as it is in a pipe."""
    console.print(Text(line, style), soft_wrap=not console.is_terminal)


def printable(text: str) -> str:
    """Replace what would steer a terminal: a stored text must not move the cursor or break the line."""
    return (
        text
        if text.isprintable()
        else "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    )


def local_time(stamp: Timestamp, zone: ZoneInfo) -> datetime:
    """Turn a Timestamp into the zone's time."""
    return from_timestamp(stamp).astimezone(zone)


def count_text(count: int) -> str:
    """Write a count with its thousands apart: "69,659"."""
    return f"{count:,}"


def amount_text(amount: str) -> str:
    """Write a decimal text with its thousands apart and at least two decimals, exact: "2,500,315.63"."""
    exact = Decimal(amount)
    exponent = exact.as_tuple().exponent
    decimals = max(2, -exponent) if isinstance(exponent, int) else 2
    return f"{exact:,.{decimals}f}"


def change_text(count: int, previous: int) -> str:
    """Write the change since the range before: "+12.5%", "new" where there was nothing, "-" where nothing is."""
    if previous:
        return f"{(count - previous) / previous:+,.1%}"
    return "new" if count else NOTHING


def seconds_text(seconds: float) -> str:
    """Write a duration: "45.2 s", "3 min 05 s", "2 h 05 min"."""
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:  # noqa: PLR2004 - an hour
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def bar_line(values: Sequence[int], encoding: str) -> str:
    """Draw counts as one mark each, the highest a full block; a count above 0 is never drawn as nothing.

    Example:
        >>> bar_line([0, 1, 4, 8], "utf-8")
        ' ▁▄█'
    """
    marks = MARKS if encoding.lower().startswith("utf") else ASCII_MARKS
    top = max(values, default=0)
    steps = len(marks) - 1
    return "".join(marks[max(1, round(value * steps / top))] if value else marks[0] for value in values)
