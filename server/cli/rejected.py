"""`analytics rejected`: commands for rejected events, one module per verb."""

from typing import ClassVar

import click

from runtime.terminal import examples
from server.cli.main import LazyGroup


class RejectedGroup(LazyGroup):
    """The verbs; each module has one click command called `command`."""

    modules: ClassVar[dict[str, str]] = {
        "list": "server.cli.rejected_list",
        "show": "server.cli.rejected_show",
        "replay": "server.cli.rejected_replay",
        "purge": "server.cli.rejected_purge",
    }


@click.group("rejected", cls=RejectedGroup, epilog=examples("analytics rejected list"))
def command() -> None:
    """List, show, replay and delete rejected events."""
