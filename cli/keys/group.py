"""`analytics keys`: commands for keys, one module per verb."""

from typing import ClassVar

import click

from cli.main import LazyGroup
from runtime.terminal import examples


class KeysGroup(LazyGroup):
    """The verbs; each module has one click command called `command`."""

    modules: ClassVar[dict[str, str]] = {
        "create": "cli.keys.create",
        "list": "cli.keys.list",
        "rotate": "cli.keys.rotate",
        "revoke": "cli.keys.revoke",
        "check": "cli.keys.check",
    }


@click.group(
    "keys",
    cls=KeysGroup,
    epilog=examples("analytics keys create --name importer > importer.key", "analytics keys list"),
)
def command() -> None:
    """Create, list, rotate, revoke and check keys.

    Callers send a key as `authorization: Bearer KEY`. docs/security.md describes keys, scopes and quotas.
    """
