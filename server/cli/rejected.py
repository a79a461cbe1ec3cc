"""`analytics rejected`: what operators do with rejected events, one module a verb."""

from typing import ClassVar

import click

from server.cli.main import LazyGroup


class RejectedGroup(LazyGroup):
    """The verbs; each module has one click command called `command`."""

    modules: ClassVar[dict[str, str]] = {
        "list": "server.cli.rejected_list",
        "show": "server.cli.rejected_show",
        "replay": "server.cli.rejected_replay",
        "purge": "server.cli.rejected_purge",
    }


@click.group("rejected", cls=RejectedGroup)
def command() -> None:
    """Look at rejected events, replay them once their fault is mended, and purge them."""
