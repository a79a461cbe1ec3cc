"""Charts: what goes in can be drawn."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.report.chart import Bar, draw_bars, draw_heat_map, draw_lines
from cli.report.shares import ShareRow

PNG = b"\x89PNG"


@pytest.mark.parametrize("count", [0, 1, 3])
def test_lines_of_any_length_are_drawn(tmp_path: Path, count: int) -> None:
    """None, a single point, several; a name that looks like a formula is a name."""
    times = [datetime(2026, 1, day + 1, tzinfo=UTC) for day in range(count)]
    draw_lines(
        tmp_path / "a.png",
        "$\\x",
        times,
        [day > 0 for day in range(count)],
        {"$\\frac": list(range(count))} if count else {},
    )
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)


@pytest.mark.parametrize("count", [0, 1, 12])
def test_bars_are_drawn(tmp_path: Path, count: int) -> None:
    """From none to as many as a funnel has steps."""
    draw_bars(tmp_path / "a.png", "Users", [Bar(f"purchase:amount>{n}", n, f"{n} $") for n in range(count)])
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)


@pytest.mark.parametrize(
    ("columns", "lines"), [(0, 0), (1, 0), (3, 2), pytest.param(40, 400, marks=pytest.mark.thorough)]
)
def test_heat_maps_are_drawn(tmp_path: Path, columns: int, lines: int) -> None:
    """Empty, ragged, and larger than a screen."""
    rows = [ShareRow([f"{n}"], [(0.5, n % 2 == 0)] * max(0, columns - n % 3)) for n in range(lines)]
    draw_heat_map(tmp_path / "a.png", "Actors", [str(n) for n in range(columns)], rows)
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)
