"""How answers look: headings and numbers for people, one JSON document for programs."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import click
from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console

from runtime.terminal import count_text, open_console, print_line, print_table, printable
from server.reports.scope import from_timestamp
from sociallive.analytics.v1.report_scope_pb2 import ReportInfo

__all__ = [
    "ASCII_MARKS",
    "MARKS",
    "NOTHING",
    "amount_text",
    "bar_line",
    "change_text",
    "count_text",
    "local_time",
    "open_console",
    "print_csv",
    "print_footing",
    "print_heading",
    "print_json",
    "print_line",
    "print_table",
    "printable",
    "seconds_text",
]

MARKS = " ▁▂▃▄▅▆▇█"
ASCII_MARKS = " .:-=+*#@"
NOTHING = "-"
"""Stands for a value that does not exist, as the mean of nothing."""


def print_json(answer: Message) -> None:
    """Print a response as protobuf JSON, one document on stdout; numbers and strings stand there even when empty."""
    click.echo(json_format.MessageToJson(answer, always_print_fields_with_no_presence=True, ensure_ascii=False))


def print_csv(rows: Iterable[Sequence[object]]) -> None:
    """Print lines of CSV, the first of them the names of the columns."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    click.echo(text.getvalue(), nl=False)


def print_heading(console: Console, title: str, info: ReportInfo) -> None:
    """Print a report's title and range."""
    print_line(console, f"{title}  {range_text(info)}", "bold")


def range_text(info: ReportInfo) -> str:
    """Write a report's range: "2026-03-01 00:00 to 2026-03-31 00:00 UTC"."""
    zone = ZoneInfo(info.time_zone or "UTC")
    span = f"{local_time(info.start_time, zone):%Y-%m-%d %H:%M} to {local_time(info.end_time, zone):%Y-%m-%d %H:%M}"
    return f"{span} {zone.key}"


def print_footing(console: Console, info: ReportInfo) -> None:
    """Print below a report's numbers what they mean and how fresh they are."""
    lines = [printable(info.definition)] if info.definition else []
    if info.HasField("as_of"):
        zone = ZoneInfo(info.time_zone or "UTC")
        lines.append(f"As of {local_time(info.as_of, zone):%Y-%m-%d %H:%M:%S} {zone.key}.")
    for line in ("", *lines) if lines else ():
        print_line(console, line, "dim")


def local_time(stamp: Timestamp, zone: ZoneInfo) -> datetime:
    """Turn a Timestamp into the zone's time."""
    return from_timestamp(stamp).astimezone(zone)


def period_texts(starts: Sequence[Timestamp], zone: ZoneInfo) -> list[str]:
    """Write when periods begin: as days, and with the time of day where several begin on one."""
    times = [local_time(start, zone) for start in starts]
    days = [f"{time:%Y-%m-%d}" for time in times]
    return days if len(set(days)) == len(days) else [f"{time:%Y-%m-%d %H:%M}" for time in times]


def amount_text(amount: str) -> str:
    """Write a decimal string with its thousands apart and at least two decimals, exact: "2,500,315.63"."""
    exact = Decimal(amount)
    exponent = exact.as_tuple().exponent
    decimals = max(2, -exponent) if isinstance(exponent, int) else 2
    return f"{exact:,.{decimals}f}"


def change_text(now: float, previous: float) -> str:
    """Write the change since the range before: "+12.5%", "new" where there was nothing, "-" where nothing is."""
    if previous:
        return f"{(now - previous) / previous:+,.1%}"
    return "new" if now else NOTHING


def seconds_text(seconds: float) -> str:
    """Write a duration: "45.2 s", "3 min 05 s", "2 h 05 min", "21 d 00 h"."""
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:  # noqa: PLR2004 - an hour
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24:02d} h"  # noqa: PLR2004 - days


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


def bar_text(share: float, width: int, encoding: str) -> str:
    """Draw a share of 0 to 1 as a bar of at most `width` marks; one above 0 is never drawn as nothing.

    Example:
        >>> bar_text(0.5, 4, "utf-8")
        '██'
    """
    mark = MARKS[-1] if encoding.lower().startswith("utf") else ASCII_MARKS[3]
    return mark * (max(1, round(share * width)) if share > 0 else 0)
