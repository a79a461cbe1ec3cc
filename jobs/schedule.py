"""The schedule: every job, when it runs and what for, in one table."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from jobs import copy_events, merge, rebuild, retention, seal, verify
from jobs.request import JobRequest, Outcome
from runtime.cron import OFF, Cron
from runtime.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job: `run` is idempotent, continues where a killed run ended, and only reports what it would do in a dry run.

    Attributes:
        name: of the job.
        run: does it.
        purpose: in words, as a command.
        cron: reads from the settings when it is due, in UTC; None where it only runs when asked to.
        takes_range: whether it works on a range of event times.
        is_continuous: whether the jobs process does it all the time, in small pieces; a run by hand does all there is.
    """

    name: str
    run: Callable[[JobRequest], Awaitable[Outcome]]
    purpose: str
    cron: Callable[[Settings], str] | None = None
    takes_range: bool = False
    is_continuous: bool = False

    def read_cron(self, settings: Settings) -> Cron:
        """Read when the job is due.

        Raises:
            ValueError: the line makes no sense; those that the environment sets have been read before.
        """
        return Cron(OFF if self.cron is None else self.cron(settings))


JOBS: Sequence[Job] = (
    Job(
        name="seal",
        run=seal.run,
        purpose="turn stored blocks of events into sorted segments",
        is_continuous=True,
    ),
    Job(
        name="merge",
        run=merge.run,
        purpose="merge small segments into larger ones, and add their events to the summaries",
        is_continuous=True,
    ),
    Job(
        name="copy",
        run=copy_events.run,
        purpose="copy events into the table analytics_events, for SQL and BI tools",
        is_continuous=True,
    ),
    Job(
        name="retention",
        run=retention.run,
        purpose="delete data older than its retention period, and keep its sums",
        cron=lambda settings: settings.retention_cron,
    ),
    Job(
        name="verify",
        run=verify.run,
        purpose="recompute summaries from raw events and report differences",
        takes_range=True,
    ),
    Job(
        name="rebuild",
        run=rebuild.run,
        purpose="rebuild the summaries of a range from raw events",
        takes_range=True,
    ),
)
