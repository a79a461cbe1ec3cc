"""How a command is printed so that it can be run, and which address can be called."""

import sys
from pathlib import Path

import pytest

from runtime.addresses import callable_address
from server.processes.program import program_command


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1:1"),
        ("0.0.0.0", "127.0.0.1:1"),  # noqa: S104 - what nobody can call
        ("::", "[::1]:1"),
        ("[::]", "[::1]:1"),
        ("fe80::2", "[fe80::2]:1"),
        ("db.example", "db.example:1"),
    ],
)
def test_an_address_can_be_called(host: str, address: str) -> None:
    """Every address of the machine is one that a client can connect to."""
    assert callable_address(host, 1) == address


def make_program(folder: Path) -> Path:
    """Make a file that PATH finds."""
    folder.mkdir()
    path = folder / "analytics"
    path.touch(mode=0o755)
    return path


def test_a_program_on_path_has_a_short_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shell finds it."""
    path = make_program(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(path.parent))
    assert program_command(str(path)) == "analytics"


def test_a_program_elsewhere_is_told_as_it_was_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where PATH leads to another one; a path with a blank is quoted."""
    other = make_program(tmp_path / "bin")
    make_program(tmp_path / "a b")
    monkeypatch.chdir(tmp_path)
    for path in ("", str(other.parent)):
        monkeypatch.setenv("PATH", path)
        assert program_command("a b/analytics") == "'a b/analytics'"


def test_a_module_is_told_as_the_program_beside_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -m cli` may be run where no program is installed, too."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    assert program_command("/somewhere/server/__main__.py") == f"{tmp_path / 'bin' / 'python'} -m cli"
    beside = make_program(tmp_path / "bin")
    assert program_command("/somewhere/server/__main__.py") == str(beside)
