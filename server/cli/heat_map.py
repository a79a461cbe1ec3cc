"""A heat map: shares in a table, each the darker on its ground the larger it is."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from runtime.terminal import print_line, print_table

GROUNDS = ("on grey11", "on grey15", "on dark_green", "on green4", "black on green3", "black on green1")
"""From nothing to everything, in equal steps."""
LABEL_GAP = 1
"""What stands between the texts in front, beside the gap that every column has."""
INCOMPLETE = "*"


@dataclass(frozen=True, slots=True)
class HeatRow:
    """One line: the texts that stand in front, then shares of 0 to 1 with whether they are final; shorter lines end."""

    labels: Sequence[str]
    cells: Sequence[tuple[float, bool]]


def print_heat_map(
    console: Console, labels: Sequence[str], columns: Sequence[str], rows: Sequence[HeatRow], *, what: str
) -> None:
    """Print rows of shares; on a terminal coloured, and as many columns as fit.

    Args:
        console: where to.
        labels: the headings of the texts in front; all but the first are numbers.
        columns: the headings of the cells.
        rows: the lines.
        what: the columns are of, in words, for the line that says how many are left out.
    """
    if not console.is_terminal:
        texts = [[*row.labels, *_texts(row, len(columns))] for row in rows]
        print_table(console, "", [*labels, *columns], texts, numbers=frozenset([*labels[1:], *columns]))
        return
    texts = [_texts(row, len(columns)) for row in rows]
    shown = columns[: _fitting(console.width, labels, columns, rows, texts)]
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0, header_style="bold")
    for place, label in enumerate(labels):
        table.add_column(label + " " * LABEL_GAP, justify="right" if place else "left", no_wrap=True)
    for column in shown:
        table.add_column(column, justify="right", no_wrap=True)
    for row, line in zip(rows, texts, strict=True):
        grounds = [GROUNDS[min(int(share * len(GROUNDS)), len(GROUNDS) - 1)] for share, _ in row.cells]
        grounds += [""] * (len(shown) - len(grounds))
        # A row may have more cells than are shown.
        cells = [Text(text, style=ground) for text, ground in zip(line[: len(shown)], grounds, strict=False)]
        table.add_row(*(label + " " * LABEL_GAP for label in row.labels), *cells)
    print_line(console, "")
    console.print(table)
    left_out = len(columns) - len(shown)
    if left_out:
        print_line(console, f"{left_out} more {what} need a wider terminal; --json and --csv have all.")


def _fitting(
    room: int, labels: Sequence[str], columns: Sequence[str], rows: Sequence[HeatRow], texts: Sequence[Sequence[str]]
) -> int:
    """Count the columns that fit, at least one."""
    for place, label in enumerate(labels):
        room -= max(len(label), *(len(row.labels[place]) for row in rows)) + LABEL_GAP
    for place, column in enumerate(columns):
        room -= max(len(column), *(len(line[place]) for line in texts)) + 1
        if room < 0:
            return max(1, place)
    return len(columns)


def _texts(row: HeatRow, count: int) -> list[str]:
    texts = [f"{share:.1%}{'' if final else INCOMPLETE}" for share, final in row.cells[:count]]
    return texts + [""] * (count - len(texts))
