"""Every command in a folder where nothing was ever run: it makes nothing, and says what is missing."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from tests.command_tree import RUNNABLE
from tests.command_tree import Path as Words

MAKES_A_DATABASE = {("up",), ("serve",), ("migrate",)}
"""What starts the service or prepares its database."""
NEEDS_NOTHING = {("version",)}
NEEDS_ITS_SETTINGS = {("worker",), ("jobs",)}
"""Processes of a service, which are told of its database by DATABASE_URL."""
RUNS_ELSEWHERE = {("gateway",)}
"""Runs until it is stopped, and needs no database; tests/gateway has it."""
STANDARD_INPUT = {"files", "path"}
"""Arguments that name a file, which may be the standard input."""
LOOKS = RUNNABLE.keys() - MAKES_A_DATABASE - RUNS_ELSEWHERE


def arguments(command: click.Command) -> list[str]:
    """Make up every argument of the command, and the options that it requires."""
    made: list[str] = []
    for parameter in command.params:
        if isinstance(parameter, click.Argument):
            choices = parameter.type.choices if isinstance(parameter.type, click.Choice) else ("x",)
            made.append("-" if parameter.name in STANDARD_INPUT else choices[0])
        elif parameter.required:
            made += [parameter.opts[0], "x.ndjson"]
    return made


def run(
    folder: Path, words: Words, *more: str, stdin: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in the folder, with the settings of a newcomer but for a port on which nobody listens."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("ANALYTICS_", "DATABASE_URL"))}
    return subprocess.run(
        [sys.executable, "-m", "cli", *words, *more],
        cwd=folder,
        env={**inherited, "GRPC_PORT": "1", **environment},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.finding(23)
@pytest.mark.parametrize("words", sorted(LOOKS), ids=" ".join)
def test_a_command_leaves_an_empty_folder_empty_and_says_what_is_missing(tmp_path: Path, words: Words) -> None:
    """In a line or two, without a traceback, with the exit code of what is not there."""
    event = '{"eventType": "view", "data": {}, "eventId": "01890a5d-ac96-774b-bcce-b302099a8057"}'
    result = run(tmp_path, words, *arguments(RUNNABLE[words]), stdin=event)
    assert list(tmp_path.iterdir()) == []
    if words in NEEDS_NOTHING:
        assert result.returncode == 0
        return
    assert "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) <= 3, result.stderr
    assert result.returncode == (2 if words in NEEDS_ITS_SETTINGS else 3), result.stderr
    assert "analytics up" in result.stderr or "-m cli up" in result.stderr or "DATABASE_URL" in result.stderr


@pytest.mark.finding(23)
@pytest.mark.parametrize("words", [("audit",), ("ingest", "stats"), ("jobs", "run", "verify")], ids=" ".join)
def test_a_database_without_our_tables_is_named(tmp_path: Path, empty_database_url: str, words: Words) -> None:
    """A wrong DATABASE_URL is more likely than a database that waits for its first migration; both are said."""
    result = run(tmp_path, words, DATABASE_URL=empty_database_url)
    assert result.returncode == 3
    (line,) = result.stderr.splitlines()
    assert "does not have the tables that this program needs: run `analytics migrate`" in line
    assert list(tmp_path.iterdir()) == []
