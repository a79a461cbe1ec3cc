"""Output whose reader goes away, or stops reading."""

import os
import time
from pathlib import Path

import pytest

from runtime.outlet import CHUNK_BYTES, WAIT_MS, Outlet

PIPE_BYTES = 65_536


@pytest.mark.finding(19)
def test_a_pipe_without_a_reader_costs_the_text_alone() -> None:
    """Writing says that it failed, as often as it is tried."""
    reader, writer = os.pipe()
    outlet = Outlet(writer)
    assert outlet.write("heard\n")
    assert os.read(reader, 100) == b"heard\n"
    os.close(reader)
    assert [outlet.write("unheard\n") for _ in range(3)] == [False] * 3
    os.close(writer)
    assert not outlet.write("closed\n")


@pytest.mark.finding(19)
def test_a_reader_that_stops_reading_is_waited_for_once() -> None:
    """A full pipe takes no more lines, and a thousand of them cost no more time than one; then all is well again."""
    reader, writer = os.pipe()
    outlet = Outlet(writer)
    line = "x" * (CHUNK_BYTES - 1) + "\n"
    written = 0
    while outlet.write(line):
        written += 1
    assert written == PIPE_BYTES // CHUNK_BYTES
    before = time.monotonic()
    assert not any(outlet.write(line) for _ in range(1000))
    assert time.monotonic() - before < 10 * WAIT_MS / 1000
    os.read(reader, PIPE_BYTES)
    assert outlet.write(line)
    os.close(reader)
    os.close(writer)


def test_a_long_text_is_written_whole(tmp_path: Path) -> None:
    """Also text that no encoding knows."""
    file = tmp_path / "log"
    with file.open("wb") as log:
        assert Outlet(log.fileno()).write("\udcff" + "x" * 3 * CHUNK_BYTES)
    assert file.read_bytes() == b"\\udcff" + b"x" * 3 * CHUNK_BYTES
