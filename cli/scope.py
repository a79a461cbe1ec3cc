"""What every report command shares: the options of its range, and the call."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import click
from google.protobuf.timestamp_pb2 import Timestamp

from server.reports.scope import to_timestamp

REPORT_TIMEOUT_S = 60.0
"""A report over everything stored takes seconds; one that takes longer than this is stuck."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeOptions:
    """The range as given on the command line; the fields have the names of those of every report request."""

    timeframe: str = ""
    start_time: Timestamp | None = None
    end_time: Timestamp | None = None
    time_zone: str = ""

    def fields(self) -> dict[str, Any]:
        """Return the fields to make a report request with."""
        return {
            "timeframe": self.timeframe,
            "start_time": self.start_time,
            "end_time": self.end_time,
            "time_zone": self.time_zone,
        }


def scope_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a report command the options of its range, and --json; it receives `scope: ScopeOptions` and `as_json`."""
    as_json = click.option("--json", "as_json", is_flag=True, help="Print the response as one JSON document.")
    return range_options(as_json(function))


def range_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of its range; the command receives `scope: ScopeOptions`."""

    @functools.wraps(function)
    def with_scope(*, timeframe: str, start: str, end: str, time_zone: str, **rest: Any) -> None:
        function(scope=read_scope(timeframe, start, end, time_zone), **rest)

    for option in reversed(
        (
            click.option(
                "--timeframe", default="", metavar="LENGTH", help="Length of a range that ends now: 24h, 7d, 4w, 12mo."
            ),
            click.option(
                "--from",
                "start",
                default="",
                metavar="TIME",
                help="Start of the range, as in 2026-01-31 or 2026-01-31T12:00:00Z.",
            ),
            click.option(
                "--to", "end", default="", metavar="TIME", help="End of the range, exclusive.  [default: now]"
            ),
            click.option(
                "--time-zone",
                default="",
                metavar="ZONE",
                help="Time zone of days and of times without offset.  [default: UTC]",
            ),
        )
    ):
        with_scope = option(with_scope)
    return with_scope


def granularity_option(function: Callable[..., None]) -> Callable[..., None]:
    """Give a report command the option of its periods' length; the command receives the name in the .proto file."""

    def read(_context: click.Context, _option: click.Parameter, name: str | None) -> str | None:
        return f"GRANULARITY_{name.upper()}" if name else None

    return click.option(
        "--granularity",
        type=click.Choice(["hour", "day", "week", "month"]),
        callback=read,
        help="The length of periods.  [default: day]",
    )(function)


def one_format(*, as_json: bool, as_csv: bool) -> None:
    """Refuse a command line that asks for two formats.

    Raises:
        click.UsageError: it does.
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv both say how to print; give one of them")


def read_scope(timeframe: str, start: str, end: str, time_zone: str) -> ScopeOptions:
    """Read the options of the range; empty strings count as not given.

    Raises:
        click.UsageError: they contradict each other, or one cannot be understood.
    """
    if timeframe and start:
        raise click.UsageError("--timeframe and --from both say where the range starts; give one of them")
    try:
        zone = ZoneInfo(time_zone or "UTC")
    except (KeyError, ValueError, OSError) as exc:  # ZoneInfo's errors for an unknown name, a path, a folder
        raise click.BadParameter(
            f"must be an IANA name, as in Europe/Berlin, not {time_zone!r}", param_hint="--time-zone"
        ) from exc
    return ScopeOptions(
        timeframe=timeframe,
        start_time=_read_time("--from", start, zone),
        end_time=_read_time("--to", end, zone),
        time_zone=time_zone,
    )


def _read_time(option: str, text: str, zone: ZoneInfo) -> Timestamp | None:
    """Read an ISO 8601 time or date; without an offset it is the zone's, a date its midnight."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return to_timestamp(moment if moment.tzinfo else moment.replace(tzinfo=zone))
    except (ValueError, OverflowError) as exc:
        raise click.BadParameter(
            f"must be an ISO 8601 date or time, such as 2024-01-31 or 2024-01-31T12:00:00Z, not {text!r}",
            param_hint=option,
        ) from exc
