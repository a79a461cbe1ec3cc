"""`analytics report`: the reports, one module each."""

from typing import ClassVar

import click

from runtime.terminal import examples
from server.cli.main import LazyGroup


class ReportGroup(LazyGroup):
    """The reports; each module has one click command called `command`."""

    modules: ClassVar[dict[str, str]] = {
        "dashboard": "server.cli.report_dashboard",
        "events": "server.cli.report_events",
        "funnel": "server.cli.report_funnel",
        "cohort": "server.cli.report_cohort",
        "retention": "server.cli.report_retention",
    }


@click.group("report", cls=ReportGroup, epilog=examples("analytics report dashboard --timeframe 7d"))
def command() -> None:
    """Print a report of stored events."""
