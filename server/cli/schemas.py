"""`analytics schemas`: what events look like, and whether those of a file are valid."""

from typing import ClassVar

import click

from runtime.terminal import examples
from server.cli.main import LazyGroup


class SchemasGroup(LazyGroup):
    """The commands; each module has one click command called `command`."""

    modules: ClassVar[dict[str, str]] = {
        "list": "server.cli.schemas_list",
        "show": "server.cli.schemas_show",
        "validate": "server.cli.schemas_validate",
    }


@click.group("schemas", cls=SchemasGroup, epilog=examples("analytics schemas show view"))
def command() -> None:
    """Show what events look like, and check events."""
