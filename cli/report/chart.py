"""Charts as PNG files, for people who would rather look than read: lines, bars and heat maps.

They are drawn by matplotlib, which is an optional dependency: `pip install 'sociallive-analytics[png]'`.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from cli.command_error import CommandError
from cli.main import EXIT_FAILED, EXIT_USAGE
from cli.report.shares import ShareRow

WIDTH_INCHES = 10.0
HEIGHT_INCHES = 5.5
ROW_INCHES = 0.32
"""A line of a heat map or a bar with its label."""
MOST_HEIGHT_INCHES = 40.0
DOTS_PER_INCH = 120
MOST_CELLS_WITH_TEXT = 15
"""Columns up to which each cell of a heat map has room for its figure."""
MOST_COLUMN_LABELS = 30
LABELS_PER_INCH = 5
"""Past these, labels would stand on each other: every second one is named, or every third."""
MOST_LABEL = 48
"""Characters of a label; a step may have 2,000."""
DARK_GROUND = 0.36
"""The share from which a figure is written in white."""

NOTHING = float("nan")
"""A value that is not drawn."""

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar: its label, its length and the text at its end."""

    label: str
    value: float
    text: str


def png_option(command: Command) -> Command:
    """Give a report command the option --png; the command receives `png: Path | None`."""
    return click.option(
        "--png",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Draw it into FILE as well; needs the extra `png`.",
    )(command)


def draw_lines(
    path: Path, title: str, times: Sequence[datetime], final: Sequence[bool], lines: Mapping[str, Sequence[float]]
) -> None:
    """Draw the course of values, a line each, dotted where they are not final.

    Args:
        path: the file.
        title: what the chart shows.
        times: when, ascending, aware; the axis is in their zone.
        final: for each time, whether its values are.
        lines: a value for each time, by name.

    Raises:
        CommandError: matplotlib is missing, or the file cannot be written.
    """
    figure = _figure(HEIGHT_INCHES)
    axes = figure.add_subplot()
    for name, values in lines.items():
        (drawn,) = axes.plot(times, values, linestyle=":", linewidth=1.8, marker="." if len(times) == 1 else None)
        solid = [value if is_final else NOTHING for value, is_final in zip(values, final, strict=True)]
        axes.plot(times, solid, label=_plain(name), color=drawn.get_color(), linewidth=1.8, marker=".")
    axes.set_ylim(bottom=0)
    axes.grid(visible=True, axis="y", alpha=0.3)
    if times:
        dates = importlib.import_module("matplotlib.dates")
        locator = dates.AutoDateLocator(tz=times[0].tzinfo)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator, tz=times[0].tzinfo))
    if lines:
        figure.legend(loc="outside lower left", frameon=False, ncols=min(5, len(lines)))
    _thousands(axes.yaxis)
    _save(figure, axes, title, path)


def draw_bars(path: Path, title: str, bars: Sequence[Bar]) -> None:
    """Draw bars below each other, the first one on top.

    Raises:
        CommandError: matplotlib is missing, or the file cannot be written.
    """
    figure = _figure(1.5 + 2 * ROW_INCHES * len(bars))
    axes = figure.add_subplot()
    drawn = axes.barh(range(len(bars)), [bar.value for bar in bars], color="#2a9d5c")
    _label(axes.set_yticks, [bar.label for bar in bars], len(bars))
    axes.invert_yaxis()
    axes.bar_label(drawn, [_plain(bar.text) for bar in bars], padding=4)
    axes.margins(x=0.25)
    _thousands(axes.xaxis)
    _save(figure, axes, title, path)


def draw_heat_map(path: Path, title: str, columns: Sequence[str], rows: Sequence[ShareRow]) -> None:
    """Draw shares as a grid, each the darker the larger it is; a star marks those that are not final.

    Raises:
        CommandError: matplotlib is missing, or the file cannot be written.
    """
    figure = _figure(1.5 + ROW_INCHES * len(rows))
    axes = figure.add_subplot()
    shares = [
        [row.cells[place][0] if place < len(row.cells) else NOTHING for place in range(max(1, len(columns)))]
        for row in rows
    ]
    # By the root of the share: most of what such maps show lies below a fifth.
    scale = importlib.import_module("matplotlib.colors").PowerNorm(0.5, 0, 1)
    axes.imshow(shares or [[NOTHING]], cmap="Greens", norm=scale, aspect="auto")
    _label(axes.set_xticks, columns, MOST_COLUMN_LABELS)
    _label(axes.set_yticks, ["   ".join(row.labels) for row in rows], int(figure.get_figheight() * LABELS_PER_INCH))
    axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
    if len(columns) <= MOST_CELLS_WITH_TEXT:
        for line, row in enumerate(rows):
            for place, (share, final) in enumerate(row.cells[: len(columns)]):
                text = f"{share:.1%}{'' if final else '*'}"
                color = "white" if share >= DARK_GROUND else "black"
                axes.text(place, line, text, ha="center", va="center", fontsize=8, color=color)
    _save(figure, axes, title, path)


def _figure(height_inches: float) -> Any:
    """Make an empty figure, without a window or a state that others share.

    Raises:
        CommandError: matplotlib is missing.
    """
    try:
        module = importlib.import_module("matplotlib.figure")
    except ImportError as exc:
        raise CommandError(
            "--png needs matplotlib: pip install 'sociallive-analytics[png]'", exit_code=EXIT_USAGE
        ) from exc
    return module.Figure(
        figsize=(WIDTH_INCHES, min(MOST_HEIGHT_INCHES, height_inches)), dpi=DOTS_PER_INCH, layout="constrained"
    )


def _save(figure: Any, axes: Any, title: str, path: Path) -> None:
    axes.set_title(title.replace("$", r"\$"), loc="left", fontsize=11, fontweight="bold", pad=12)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    try:
        figure.savefig(path, format="png")
    except OSError as exc:
        raise CommandError(f"cannot write {path}: {exc.strerror or exc}", exit_code=EXIT_FAILED) from exc


def _label(set_ticks: Callable[..., object], labels: Sequence[str], most: int) -> None:
    """Name what stands on an axis: each of it, or every n-th where there is room for `most` names."""
    places = range(0, len(labels), max(1, -(-len(labels) // max(1, most))))
    set_ticks(places, [_plain(labels[place]) for place in places])


def _thousands(axis: Any) -> None:
    axis.set_major_formatter(importlib.import_module("matplotlib.ticker").StrMethodFormatter("{x:,.0f}"))


def _plain(text: str) -> str:
    """Keep a stored string from being read as a formula, and from filling the picture."""
    shown = text if len(text) <= MOST_LABEL else f"{text[: MOST_LABEL - 1]}…"
    return shown.replace("$", r"\$")
