"""`analytics rejected`: commands for rejected events, one module per verb."""

from typing import ClassVar

import click

from cli.main import LazyGroup
from runtime.terminal import examples


class RejectedGroup(LazyGroup):
    """The verbs; each module has one click command called `command`."""

    modules: ClassVar[dict[str, str]] = {
        "list": "cli.rejected.list",
        "show": "cli.rejected.show",
        "replay": "cli.rejected.replay",
        "purge": "cli.rejected.purge",
    }


@click.group("rejected", cls=RejectedGroup, epilog=examples("analytics rejected list"))
def command() -> None:
    """List, show, replay and delete rejected events."""
