"""What a job is asked to do, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from runtime.settings import Settings
from storage.postgres.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """One run of a job.

    Attributes:
        database: a migrated one.
        settings: everything that can be set.
        now: the aware time that the run takes for the present.
        dry_run: report what would be done, and do nothing.
        start, end: the half-open range to work on, for jobs that take one; None for all there is.
        arguments: what a person has asked for, for the audit log; times and truth values.
    """

    database: Database
    settings: Settings
    now: datetime
    dry_run: bool = False
    start: datetime | None = None
    end: datetime | None = None
    arguments: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run did.

    Attributes:
        rows, bytes: how much it changed, or would.
        start, end: the half-open range of event times that it worked on, where there is one.
        details: counts and the like, for the log, the audit log and the terminal.
        is_good: whether all is as it should be; a verification that finds differences says no.
    """

    rows: int = 0
    bytes: int = 0
    start: datetime | None = None
    end: datetime | None = None
    details: Mapping[str, object] = field(default_factory=dict)
    is_good: bool = True
