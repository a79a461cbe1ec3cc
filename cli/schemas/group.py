"""`analytics schemas`: what events look like, and whether those of a file are valid."""

from typing import ClassVar

import click

from cli.main import LazyGroup
from runtime.terminal import examples


class SchemasGroup(LazyGroup):
    """The commands; each module has one click command called `command`."""

    modules: ClassVar[dict[str, str]] = {
        "list": "cli.schemas.list",
        "show": "cli.schemas.show",
        "validate": "cli.schemas.validate",
    }


@click.group("schemas", cls=SchemasGroup, epilog=examples("analytics schemas show view"))
def command() -> None:
    """Show what events look like, and check events."""
