"""The `analytics` program: finds its commands and gives every error its exit code."""

import importlib
import sys
from typing import ClassVar

import click

from runtime.errors import AnalyticsError
from runtime.outlet import STDERR, Outlet
from runtime.settings import SettingsError
from runtime.terminal import examples

EXIT_FAILED = 1
"""The command ran with a negative result: events were rejected, or the service does not serve."""
EXIT_USAGE = 2
"""The command line or a variable of the environment is wrong."""
EXIT_UNAVAILABLE = 3
"""A server or database that the command needs is unavailable or refuses it."""
EXIT_INTERRUPTED = 130
"""The exit code that shells report after Ctrl-C."""


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command is asked for, so that each starts fast."""

    modules: ClassVar[dict[str, str]]
    """The module of each command, by its name, in the order of the help."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name the commands in the order of `modules`."""
        return list(self.modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import the command's module; each has one click command called `command`, the jobs in a room of their own."""
        if cmd_name not in self.modules:
            return None
        module = importlib.import_module(self.modules[cmd_name])
        command = module.command
        assert isinstance(command, click.Command)  # noqa: S101 - what this file promises of its own modules
        return command


class MainGroup(LazyGroup):
    """The commands of `analytics`, in sections by what people want to do."""

    sections: ClassVar[dict[str, dict[str, str]]] = {
        "Run": {
            "up": "cli.run.up",
            "serve": "cli.run.serve",
            "gateway": "cli.run.gateway",
            "worker": "cli.run.worker",
            "migrate": "cli.run.migrate",
        },
        "Send": {
            "import": "cli.import_.command",
            "schemas": "cli.schemas.group",
        },
        "Ask": {
            "report": "cli.report.group",
            "export": "cli.export.command",
        },
        "Operate": {
            "health": "cli.operate.health",
            "ingest": "cli.operate.ingest",
            "rejected": "cli.rejected.group",
            "jobs": "cli.operate.jobs",
            "segments": "cli.operate.segments",
            "audit": "cli.operate.audit",
            "keys": "cli.keys.group",
            "secret": "cli.operate.secret",
            "version": "cli.operate.version",
        },
    }
    modules: ClassVar[dict[str, str]] = {
        name: module for section in sections.values() for name, module in section.items()
    }

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands with their first sentences, section by section."""
        for title, names in self.sections.items():
            commands = ((name, self.get_command(ctx, name)) for name in names)
            lines = [
                (name, one.get_short_help_str(formatter.width)) for name, one in commands if one and not one.hidden
            ]
            with formatter.section(title):
                formatter.write_dl(lines)


@click.group(
    cls=MainGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "analytics up",
        "analytics import examples/cdnow.csv.gz --mapping examples/cdnow.toml",
        "analytics report dashboard --timeframe 7d",
    ),
)
@click.version_option(package_name="sociallive-analytics", message="%(prog)s %(version)s")
def cli() -> None:
    """Collect events of posts, shops and live streams, and report on them.

    `analytics up` runs the service on this machine; the other commands talk to a running service or look at its
    database. Every command explains itself with --help.
    """


def main() -> None:
    """Run the command line; known errors print one line on stderr and set the exit code."""
    try:
        cli(prog_name="analytics")
    except SettingsError as exc:
        Outlet(STDERR).write(f"analytics: {exc}\n")
        sys.exit(EXIT_USAGE)
    except AnalyticsError as exc:
        Outlet(STDERR).write(f"analytics: {exc}\n")
        sys.exit(EXIT_UNAVAILABLE)
