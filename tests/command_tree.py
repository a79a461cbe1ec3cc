"""Every command of `analytics`, found in the program itself, so that no test forgets a new one."""

from collections.abc import Iterator

import click

from cli.main import cli

Path = tuple[str, ...]
"""The words that name a command: ("rejected", "list"); empty for `analytics` alone."""


def walk(command: click.Command = cli, path: Path = ()) -> Iterator[tuple[Path, click.Command]]:
    """Yield every command and group, the program itself first, hidden ones included."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None, name
            yield from walk(inner, (*path, name))


COMMANDS: dict[Path, click.Command] = dict(walk())
RUNNABLE: dict[Path, click.Command] = {
    path: one for path, one in COMMANDS.items() if not isinstance(one, click.Group) or one.invoke_without_command
}
"""Those that do something by themselves."""
