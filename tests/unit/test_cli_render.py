"""Numbers and tables as people read them."""

import io

import pytest
from rich.console import Console

from cli.render import (
    amount_text,
    bar_line,
    change_text,
    print_table,
    printable,
    seconds_text,
)


def test_amounts_are_exact_and_grouped() -> None:
    """No digit of a sum is rounded away."""
    assert amount_text("2500315.63") == "2,500,315.63"
    assert amount_text("12") == "12.00"
    assert amount_text("0.1234") == "0.1234"
    assert amount_text("12345678901234567890.05") == "12,345,678,901,234,567,890.05"


def test_changes_are_relative_to_the_range_before() -> None:
    """Nothing to compare with is no change of a number."""
    assert change_text(120, 100) == "+20.0%"
    assert change_text(0, 10) == "-100.0%"
    assert change_text(5, 0) == "new"
    assert change_text(0, 0) == "-"


def test_durations_are_readable() -> None:
    """Each has the units that fit its length."""
    assert [seconds_text(s) for s in (45.25, 185, 7500)] == ["45.2 s", "3 min 05 s", "2 h 05 min"]
    assert [seconds_text(s) for s in (172_799, 172_800, 1_900_000)] == ["47 h 59 min", "2 d 00 h", "21 d 23 h"]


def test_bars_show_that_something_happened() -> None:
    """The smallest count is visible beside the largest; none is blank."""
    assert bar_line([0, 1, 500, 1000], "utf-8") == " ▁▄█"
    assert bar_line([0, 1, 1000], "ascii") == " .@"
    assert bar_line([0, 0], "utf-8") == "  "
    assert bar_line([], "utf-8") == ""


def test_stored_texts_cannot_steer_the_terminal() -> None:
    """Control characters are shown as replaced."""
    assert (
        printable("a\x1b[2Jb\r\nc")
        == "a\N{REPLACEMENT CHARACTER}[2Jb\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}c"
    )
    assert printable("Grüße, 世界") == "Grüße, 世界"


def table(width: int, *, terminal: bool) -> list[str]:
    """Print a table whose last cell is long."""
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=terminal, color_system=None, markup=False, highlight=False)
    print_table(console, "Title", ["Id", "Count", "Text"], [["[b]", "7", "x" * 300]], numbers=frozenset({"Count"}))
    return [line.rstrip() for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_cuts_the_last_column(width: int) -> None:
    """The other columns stay whole, and no line is wider than the terminal."""
    lines = table(width, terminal=True)
    assert lines[-1].startswith("[b]      7  xxx")
    assert lines[-1].endswith("…")
    assert max(map(len, lines)) == width


def test_a_narrow_terminal_cuts_elastic_columns_for_the_last_one() -> None:
    """What may be cut gives way to the payload, down to a bound; the time stays whole."""
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=True, color_system=None, markup=False, highlight=False)
    row = ["2024-01-01 12:00:00", "engagement", "u" * 36, "contentType=post contentId=post-123 viewDuration=45"]
    print_table(console, "", ["Time", "Type", "User", "Payload"], [row], elastic=frozenset({"User"}))
    line = out.getvalue().splitlines()[-1]
    assert line == "2024-01-01 12:00:00  engagement  uuuuuuuuuuuu…  contentType=post contentId=post…"
    assert len(line) == 80


def test_a_pipe_gets_whole_plain_lines() -> None:
    """Nothing is cut, framed or coloured for a program that reads the lines."""
    lines = table(80, terminal=False)
    assert lines == ["", "Title", "Id   Count  Text", f"[b]      7  {'x' * 300}"]
