"""Writes to the terminal: tables and lines for people, plain text in a pipe."""

from collections.abc import Sequence

from rich import box
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

MOST_COLUMN = 36
"""Characters of a column that a terminal shows, but for the last one: the length of a UUID."""
LEAST_COLUMN = 10
LEAST_LAST = 32
"""Characters of the last column for which other columns are cut: enough for two or three fields."""
COLUMN_GAP = 2
"""What rich puts between two columns of a table of this kind."""
KILO = 1000


def examples(*commands: str) -> str:
    """Write the examples of a command's help, each as it is typed; click shows the text as the command's epilog."""
    return "\b\nExamples:\n" + "\n".join(f"  {command}" for command in commands)


def open_console(*, stderr: bool = False) -> Console:
    """Make the console for stdout or stderr: coloured on a terminal, plain in a pipe or where NO_COLOR is set."""
    return Console(stderr=stderr, markup=False, highlight=False, emoji=False)


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
        rows: one string a column.
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
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for name, width in zip(columns, widths, strict=True):
        justify: JustifyMethod = "right" if name in numbers else "left"
        table.add_column(name, justify=justify, no_wrap=True, overflow="ellipsis", width=width)
    for row in cells:
        table.add_row(*(Text(cell, overflow="ellipsis") for cell in row))
    console.print(table)


def _fitted(columns: Sequence[str], widths: Sequence[int], room: int, elastic: frozenset[str]) -> list[int]:
    """Fit a table into `room`: first the elastic columns shrink, widest first, then the last one."""
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
    return [*fitted, min(widths[-1], max(LEAST_COLUMN, room - sum(fitted)))]


def print_line(console: Console, line: str, style: str = "") -> None:
    """Print a line: wrapped at words on a terminal, as long as it is in a pipe."""
    console.print(Text(line, style), soft_wrap=not console.is_terminal)


def printable(text: str) -> str:
    """Replace control characters: a stored string must not move the cursor or break the line."""
    return (
        text
        if text.isprintable()
        else "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    )


def count_text(count: int) -> str:
    """Write a count with its thousands apart: "69,659"."""
    return f"{count:,}"


def bytes_text(size_bytes: int) -> str:
    """Write a size in units of 1000: "1.2 MB"."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < KILO:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= KILO
    return f"{size:.1f} TB"
