"""Tables of shares: a line a cohort, a column a period."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from runtime.terminal import COLUMN_GAP, print_line, print_table

INCOMPLETE = "*"


@dataclass(frozen=True, slots=True)
class ShareRow:
    """One line: labels, then shares of 0 to 1 with whether they are final; lines may be shorter than others."""

    labels: Sequence[str]
    cells: Sequence[tuple[float, bool]]


def print_shares(
    console: Console, labels: Sequence[str], columns: Sequence[str], rows: Sequence[ShareRow], *, what: str
) -> None:
    """Print rows of shares; on a terminal as many columns as fit.

    Args:
        console: where to.
        labels: the headings of the strings in front; all but the first are numbers.
        columns: the headings of the cells.
        rows: the lines.
        what: the columns are of, in words, for the line that says how many are left out.
    """
    texts = [[*row.labels, *_texts(row, len(columns))] for row in rows]
    headings = [*labels, *columns]
    shown = _fitting(console.width, headings, texts, len(labels) + 1) if console.is_terminal else len(headings)
    print_table(
        console, "", headings[:shown], [line[:shown] for line in texts], numbers=frozenset([*labels[1:], *columns])
    )
    if left_out := len(headings) - shown:
        print_line(console, f"{left_out} more {what} need a wider terminal; --json and --csv have all.")


def _fitting(room: int, headings: Sequence[str], texts: Sequence[Sequence[str]], least: int) -> int:
    """Count the columns that fit, at least `least`."""
    for place, column in enumerate(zip(headings, *texts, strict=True)):
        room -= max(map(len, column)) + (COLUMN_GAP if place else 0)
        if room < 0:
            return max(least, place)
    return len(headings)


def _texts(row: ShareRow, count: int) -> list[str]:
    texts = [f"{share:.1%}{'' if final else INCOMPLETE}" for share, final in row.cells[:count]]
    return texts + [""] * (count - len(texts))
