"""The help of every command: whole sentences, an example, and a word about each option."""

import re
from importlib.metadata import version

import click
import pytest
from click.testing import CliRunner

from cli.main import cli
from tests.command_tree import COMMANDS, Path

SHOWN = {path: one for path, one in COMMANDS.items() if not one.hidden}
NAMES = [" ".join(path) or "analytics" for path in SHOWN]


def help_of(path: Path) -> str:
    """Print the help as a terminal of 80 columns shows it."""
    result = CliRunner(env={"COLUMNS": "80"}).invoke(cli, [*path, "--help"], prog_name="analytics")
    assert result.exit_code == 0
    return result.output


@pytest.mark.finding(33)
@pytest.mark.parametrize("path", SHOWN, ids=NAMES)
def test_no_help_text_is_cut(path: Path) -> None:
    """On 80 columns; only the usage line ends in dots, where an argument may be repeated."""
    lines = [line for line in help_of(path).splitlines() if not line.startswith("Usage:")]
    assert [line for line in lines if line.endswith("...")] == []
    assert max(map(len, lines)) <= 80


@pytest.mark.finding(33)
@pytest.mark.parametrize("path", SHOWN, ids=NAMES)
def test_every_command_shows_an_example_that_it_understands(path: Path) -> None:
    """The example names this command or one of its own, and its options are ones there are."""
    _, _, examples = help_of(path).partition("Examples:\n")
    lines = [line.strip() for line in examples.splitlines()]
    assert lines
    for line in lines:
        words = re.split(r" [|<>] ", line)[0].split()
        del words[: words.index("analytics") + 1]
        assert tuple(words[: len(path)]) == path, line
        command: click.Command = cli
        while isinstance(command, click.Group) and words and words[0] in command.list_commands(click.Context(command)):
            inner = command.get_command(click.Context(command), words.pop(0))
            assert inner is not None
            command = inner
        known = {name for option in command.params for name in option.opts}
        assert {word for word in words if word.startswith("--")} <= known, line


@pytest.mark.finding(33)
@pytest.mark.parametrize("path", SHOWN, ids=NAMES)
def test_every_option_is_described(path: Path) -> None:
    """Beyond its default and its choices."""
    options = [one for one in SHOWN[path].params if isinstance(one, click.Option) and not one.hidden]
    for option in options:
        said = (option.help or "").partition("[default")[0].strip()
        assert said.endswith("."), option.opts


def test_the_program_alone_shows_its_commands_in_sections() -> None:
    """Each visible command once."""
    shown = CliRunner(env={"COLUMNS": "80"}).invoke(cli, [], prog_name="analytics").output
    sections = [line for line in shown.splitlines() if line in {"Run:", "Send:", "Ask:", "Operate:"}]
    assert sections == ["Run:", "Send:", "Ask:", "Operate:"]
    body = shown.partition("Run:")[2].partition("Examples:")[0]
    names = [line.split()[0] for line in body.splitlines() if re.match(r"  \S", line)]
    assert sorted(names) == sorted(path[0] for path in SHOWN if len(path) == 1)


@pytest.mark.finding(33)
def test_the_version_is_an_option_too() -> None:
    """As of most programs."""
    result = CliRunner().invoke(cli, ["--version"], prog_name="analytics")
    assert (result.exit_code, result.output) == (0, f"analytics {version('sociallive-analytics')}\n")
