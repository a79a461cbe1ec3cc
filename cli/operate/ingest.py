"""`analytics ingest`: received events and their outcomes."""

from typing import ClassVar

import click

from cli.main import LazyGroup
from runtime.terminal import examples


class IngestGroup(LazyGroup):
    """The commands; each module has one click command called `command`."""

    modules: ClassVar[dict[str, str]] = {
        "stats": "cli.operate.ingest_stats",
        "aside": "cli.operate.ingest_aside",
    }


@click.group("ingest", cls=IngestGroup, epilog=examples("analytics ingest stats --hours 1"))
def command() -> None:
    """Show received events, their outcomes, and events set aside."""
