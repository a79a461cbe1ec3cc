"""`analytics report`: the reports, one module each."""

from typing import ClassVar

import click

from cli.main import LazyGroup
from runtime.terminal import examples


class ReportGroup(LazyGroup):
    """The reports; each module has one click command called `command`."""

    modules: ClassVar[dict[str, str]] = {
        "dashboard": "cli.report.dashboard",
        "events": "cli.report.events",
        "funnel": "cli.report.funnel",
        "cohort": "cli.report.cohort",
        "retention": "cli.report.retention",
    }


@click.group("report", cls=ReportGroup, epilog=examples("analytics report dashboard --timeframe 7d"))
def command() -> None:
    """Print a report of stored events."""
