"""`analytics ingest`: received events and their outcomes."""

from typing import ClassVar

import click

from runtime.terminal import examples
from server.cli.main import LazyGroup


class IngestGroup(LazyGroup):
    """The commands; each module has one click command called `command`."""

    modules: ClassVar[dict[str, str]] = {
        "stats": "server.cli.ingest_stats",
        "aside": "server.cli.ingest_aside",
    }


@click.group("ingest", cls=IngestGroup, epilog=examples("analytics ingest stats --hours 1"))
def command() -> None:
    """Show received events, their outcomes, and events set aside."""
