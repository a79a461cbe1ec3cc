"""`analytics jobs`: what runs by the clock, and what can be run by hand."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

import click
import orjson

from jobs.copy_events import TableCopy
from jobs.open_segments import open_segments
from jobs.request import JobRequest, Outcome
from jobs.runner import Runner, name_runner
from jobs.schedule import JOBS, Job
from jobs.upkeep import Upkeep
from runtime.logging import configure_logging
from runtime.person import name_person
from runtime.settings import Settings, SettingsError
from runtime.supervised import stop_on_signals, supervised
from runtime.terminal import bytes_text, count_text, examples, open_console, print_line, print_table
from storage.audit import AuditEntry, read_last_runs
from storage.postgres.database import Database
from storage.postgres.existing import open_existing
from storage.ticks import read_ticks
from storage.upkeep import UpkeepState, read_upkeep

AnswerT = TypeVar("AnswerT")

EXIT_FAILED = 1
STOP_S = 2.0
"""A job's transaction rolls back when it is cut off, and the next run repeats it: there is little to wait for."""
NEVER = "-"
CONTINUOUS = "always"
"""What stands for the cron line of a job that runs whenever there is something to do."""
NAMED = {job.name: job for job in JOBS}


class Moment(click.ParamType[datetime]):
    """A date or time in ISO 8601; UTC where it has no offset."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read it as an aware time."""
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a time; write 2026-01-31 or 2026-01-31T12:00:00Z", param, ctx)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


@click.group("jobs", invoke_without_command=True, epilog=examples("analytics jobs list", "analytics jobs run verify"))
@click.option("--ready-fd", type=int, hidden=True, help="File descriptor that signals the supervisor that it runs.")
@click.pass_context
def command(context: click.Context, ready_fd: int | None) -> None:
    """Run the scheduled jobs, list them, or run one now.

    Without a command, runs the jobs on schedule until Ctrl-C, as `up` does; the database must be migrated.
    """
    settings = Settings.from_environment()
    quiet = context.invoked_subcommand is not None
    configure_logging(level="warning" if quiet else settings.log_level, form=settings.log_format, process="jobs")
    if quiet:
        context.obj = settings
        return
    if settings.database_url is None:
        raise SettingsError("the jobs need DATABASE_URL; `analytics up` can run them on its own database")
    asyncio.run(_keep_running(settings, settings.database_url, ready_fd))


@command.command("list", epilog=examples("analytics jobs list"))
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
@click.pass_obj
def list_jobs(settings: Settings, *, as_json: bool) -> None:
    """List the jobs with their last and next runs (UTC)."""
    listed = asyncio.run(_with_database(settings, lambda database: _describe_jobs(settings, database)))
    if as_json:
        click.echo(orjson.dumps(listed, option=orjson.OPT_UTC_Z))
        return
    headings = ("Job", "Cron", "Last run", "Result", "Seconds", "Next run", "Purpose")
    rows = [
        (
            str(one["job"]),
            str(one["cron"] or NEVER),
            _moment_text(one["last_run"]),
            " ".join(str(word) for word in (one["result"], one["reason"]) if word) or NEVER,
            NEVER if one["duration_s"] is None else f"{one['duration_s']:.1f}",
            ("overdue since " if one["overdue"] else "") + _moment_text(one["next_run"]),
            str(one["purpose"]),
        )
        for one in listed
    ]
    print_table(open_console(), "", headings, rows, numbers=frozenset({"Seconds"}))


@command.command(
    "run",
    epilog=examples(
        "analytics jobs run retention --dry-run", "analytics jobs run verify --from 2026-01-01 --to 2026-02-01"
    ),
)
@click.argument("name", type=click.Choice(list(NAMED)))
@click.option("--now", type=Moment(), metavar="TIME", help="Run as if it were this time (UTC unless it has an offset).")
@click.option(
    "--from", "start", type=Moment(), metavar="TIME", help="verify, rebuild: start of the range; days are whole."
)
@click.option("--to", "end", type=Moment(), metavar="TIME", help="verify, rebuild: end of the range, exclusive.")
@click.option("--dry-run", is_flag=True, help="Print what would be done and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
@click.pass_obj
def run_job(
    settings: Settings,
    name: str,
    now: datetime | None,
    start: datetime | None,
    end: datetime | None,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Run a job now.

    Exits with 1 if a verification finds differences, or if another process is running the job.
    """
    job = NAMED[name]
    if (start or end) and not job.takes_range:
        raise click.UsageError(f"{name} does not take --from and --to")
    if start and end and start >= end:
        raise click.UsageError("--from must be before --to")

    async def run(database: Database) -> Outcome | None:
        request = JobRequest(
            database=database,
            settings=settings,
            now=now or datetime.now(UTC),
            dry_run=dry_run,
            start=start,
            end=end,
            arguments={
                name: value
                for name, value in {"now": now, "from": start, "to": end, "dry_run": dry_run}.items()
                if value
            },
        )
        return await Runner(database, settings, name=name_person()).run_now(job, request)

    outcome = asyncio.run(_with_database(settings, run))
    if outcome is None:
        click.echo(f"analytics: another process is running {name}; try again when it is done", err=True)
        sys.exit(EXIT_FAILED)
    _print_outcome(job, outcome, as_json=as_json, dry_run=dry_run)
    if not outcome.is_good:
        sys.exit(EXIT_FAILED)


async def _keep_running(settings: Settings, database_url: str, ready_fd: int | None) -> None:
    stop = asyncio.Event()
    stop_on_signals(stop)
    async with supervised(ready_fd, stop, grace_s=STOP_S) as report_ready:
        database = await Database.open(database_url)
        try:
            report_ready()
            name = name_runner()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(Runner(database, settings, name=name).keep_running(JOBS, stop))
                segments, days = open_segments(database, settings), settings.events_table_days
                tasks.create_task(Upkeep(database, segments, name=name).keep_running(stop))
                tasks.create_task(TableCopy(database, segments, days=days, name=name).keep_running(stop))
        finally:
            await database.close()


async def _with_database(settings: Settings, work: Callable[[Database], Awaitable[AnswerT]]) -> AnswerT:
    async with open_existing(settings.database_url, settings.data_dir) as database:
        return await work(database)


async def _describe_jobs(settings: Settings, database: Database) -> list[dict[str, object]]:
    runs, ticks, upkept = await read_last_runs(database), await read_ticks(database), await read_upkeep(database)
    now = datetime.now(UTC)
    listed: list[dict[str, object]] = []
    for job in JOBS:
        cron = job.read_cron(settings)
        tick = ticks.get(job.name)
        due = cron.next_after(tick.started_at if tick is not None else now)
        listed.append(
            {
                "job": job.name,
                "cron": CONTINUOUS if job.is_continuous else cron.line if job.cron is not None else None,
                **_describe_last_run(runs.get(job.name), upkept.get(job.name)),
                "next_run": due,
                "overdue": due is not None and due <= now,
                "purpose": job.purpose,
            }
        )
    return listed


def _describe_last_run(run: AuditEntry | None, upkept: UpkeepState | None) -> dict[str, object]:
    """Describe the newest run: one in the audit log, or one of those that leave no row each there."""
    if upkept is not None and (run is None or run.started_at < upkept.started_at):
        return {
            "last_run": upkept.started_at,
            "result": "done" if upkept.reason is None else "failed",
            "reason": upkept.reason,
            "duration_s": (upkept.finished_at - upkept.started_at).total_seconds(),
            "rows": None,  # counted over all runs: see the metrics
        }
    return {
        "last_run": run.started_at if run is not None else None,
        "result": run.outcome if run is not None else None,
        "reason": run.details.get("reason") if run is not None else None,
        "duration_s": run.duration_s if run is not None else None,
        "rows": run.rows if run is not None else None,
    }


def _print_outcome(job: Job, outcome: Outcome, *, as_json: bool, dry_run: bool) -> None:
    if as_json:
        answer = {
            "job": job.name,
            "dry_run": dry_run,
            "is_good": outcome.is_good,
            "range_start": outcome.start,
            "range_end": outcome.end,
            "rows": outcome.rows,
            "bytes": outcome.bytes,
            "details": outcome.details,
        }
        click.echo(orjson.dumps(answer, option=orjson.OPT_UTC_Z))
        return
    console = open_console()
    done = "dry run, nothing was changed" if dry_run else "done"
    print_line(console, f"{job.name}: {done if outcome.is_good else 'differences found'}")
    if outcome.start is not None and outcome.end is not None:
        print_line(console, f"  from {_moment_text(outcome.start)} to {_moment_text(outcome.end)} UTC")
    for name, value in outcome.details.items():
        if isinstance(value, dict):
            print_line(console, f"  {name}: {count_text(value['rows'])} rows, {bytes_text(value['bytes'])}")
        elif isinstance(value, list):
            for line in value:
                print_line(console, f"  {line}")
        else:
            print_line(console, f"  {name.replace('_', ' ')}: {value}")


def _moment_text(moment: object) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if isinstance(moment, datetime) else NEVER
