"""The `analytics` program: finds its commands and gives every error its exit code."""

import importlib
import sys
from typing import ClassVar

import click

from runtime.errors import AnalyticsError
from runtime.settings import SettingsError

EXIT_FAILED = 1
"""It ran, and the result is bad: events were rejected, the service does not serve."""
EXIT_USAGE = 2
"""The command line or a variable of the environment is wrong."""
EXIT_UNAVAILABLE = 3
"""What the command needs, a server or a database, is not there or refuses."""
EXIT_INTERRUPTED = 130
"""What shells give a program that Ctrl-C ended."""


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command is asked for, so that each starts fast."""

    modules: ClassVar[dict[str, str]] = {
        "up": "server.cli.up",
        "serve": "server.cli.serve",
        "gateway": "server.cli.gateway",
        "worker": "server.cli.worker",
        "jobs": "jobs.cli",
        "migrate": "server.cli.migrate",
        "import": "server.cli.import_events",
        "report": "server.cli.report",
        "export": "server.cli.export",
        "schemas": "server.cli.schemas",
        "ingest": "server.cli.ingest",
        "rejected": "server.cli.rejected",
        "partitions": "server.cli.partitions",
        "audit": "server.cli.audit",
        "secret": "server.cli.secret",
        "health": "server.cli.health",
        "version": "server.cli.version",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name the commands in the order of a day's work."""
        return list(self.modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import the command's module; each has one click command called `command`, the jobs in a room of their own."""
        if cmd_name not in self.modules:
            return None
        module = importlib.import_module(self.modules[cmd_name])
        command = module.command
        assert isinstance(command, click.Command)  # noqa: S101 - what this file promises of its own modules
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Social Live Analytics: events in over gRPC, stored exactly once, out as reports."""


def main() -> None:
    """Run the command line; known errors end in one line on stderr and a telling exit code."""
    try:
        cli(prog_name="analytics")
    except SettingsError as exc:
        click.echo(f"analytics: {exc}", err=True)
        sys.exit(EXIT_USAGE)
    except AnalyticsError as exc:
        click.echo(f"analytics: {exc}", err=True)
        sys.exit(EXIT_UNAVAILABLE)
