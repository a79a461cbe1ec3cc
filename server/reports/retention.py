"""Retention: how many actors come back in the periods after they entered.

Example: counts in, [[4, 0, 1]]; out, a cohort of size 4 whose cells are 4, 0, 1.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from reports.patterns.predicates import EventPattern
from reports.retention import Entry, RetentionQuestion, read_retention
from server.reports.errors import QuestionError
from server.reports.periods import MOST_PERIODS, Calendar, Length, count_cohorts, read_calendar, read_periods
from server.reports.scope import LONGEST_REPORT, Scope, read_scope, to_timestamp
from server.reports.steps import format_step, parse_step
from sociallive.analytics.v1.retention_pb2 import (
    GetRetentionRequest,
    GetRetentionResponse,
    RetentionCell,
    RetentionCohort,
    RetentionEntry,
    RetentionKind,
    RetentionWindow,
)
from storage.segments.snapshot import EventSnapshot

DEFAULT_TIMEFRAME = "30d"
MOST_BRACKETS = 32
"""What fits a screen."""
BRACKET = re.compile(r"([0-9]{1,4})(?:-([0-9]{1,4}))?")
ROLLING = {Length.DAY: timedelta(days=1), Length.WEEK: timedelta(days=7)}
"""What spans of 24 hours can make up; hours are shorter, and months differ."""

ENTRIES = {
    RetentionEntry.RETENTION_ENTRY_UNSPECIFIED: Entry.FIRST_EVER,
    RetentionEntry.RETENTION_ENTRY_FIRST_EVER: Entry.FIRST_EVER,
    RetentionEntry.RETENTION_ENTRY_FIRST_IN_RANGE: Entry.FIRST_IN_RANGE,
    RetentionEntry.RETENTION_ENTRY_RECURRING: Entry.RECURRING,
}
ENTRY_WORDS = {
    Entry.FIRST_EVER: "An actor enters by its first {entry} ever, if that lies in [start_time, end_time)",
    Entry.FIRST_IN_RANGE: "An actor enters by its first {entry} in [start_time, end_time)",
    Entry.RECURRING: "An actor enters in every {length} of [start_time, end_time) that has a {entry} of its own",
}


@dataclass(frozen=True, slots=True)
class _Cell:
    """A cell after the first: the periods that fill it, both included, counted from 1."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class _Plan:
    """A question that was understood."""

    scope: Scope
    calendar: Calendar
    cells: tuple[_Cell, ...]
    cohorts: int
    kind: int
    question: RetentionQuestion


async def answer(snapshot: EventSnapshot, question: GetRetentionRequest, now: datetime) -> GetRetentionResponse:
    """Answer GetRetention.

    Raises:
        QuestionError: the scope, a step, the granularity, the kind, the window, the entry or the periods make no sense.
    """
    plan = _read_question(question, now)
    counts = await read_retention(snapshot, plan.question)
    cohorts = _write_cohorts(plan, counts.users.tolist(), now)
    return GetRetentionResponse(
        info=plan.scope.describe(counts.as_of, define(plan)), cohorts=cohorts, mean=mean_shares(cohorts)
    )


def mean_shares(cohorts: Sequence[RetentionCohort]) -> list[float]:
    """Weigh the cohorts' shares by their sizes, cell by cell, without incomplete cells.

    Returns:
        A share for each cell that is complete in at least one cohort with actors. Later cells have none: nobody could
        have come back yet, which is not the same as that nobody did. Such cells are the last ones, since a cell is
        complete only where all before it are.
    """
    sizes: Counter[int] = Counter()
    users: Counter[int] = Counter()
    for cohort in cohorts:
        for place, cell in enumerate(cohort.cells):
            if cell.complete and cohort.size:
                sizes[place] += cohort.size
                users[place] += cell.users
    return [users[place] / sizes[place] for place in range(len(sizes))]


def _read_question(question: GetRetentionRequest, now: datetime) -> _Plan:
    scope = read_scope(question, now=now, default_timeframe=DEFAULT_TIMEFRAME, longest=LONGEST_REPORT)
    entry = ENTRIES.get(question.entry)
    if entry is None:
        raise QuestionError("entry", f"must be one of {', '.join(RetentionEntry.keys()[1:])}")
    calendar = read_calendar(question.granularity, question.week_start, scope.zone)
    cohorts = count_cohorts(calendar, scope)
    cells = _read_cells(question, cohorts)
    periods = cells[-1].last
    by_period = {period: number for number, cell in enumerate(cells, 1) for period in range(cell.first, cell.last + 1)}
    return _Plan(
        scope=scope,
        calendar=calendar,
        cells=cells,
        cohorts=cohorts,
        kind=question.kind,
        question=RetentionQuestion(
            start=scope.start,
            end=scope.end,
            entry_step=parse_step(question.entry_step, "entry_step", any_event=True),
            return_step=parse_step(question.return_step, "return_step", any_event=True),
            entry=entry,
            bounds=tuple(calendar.starts(scope.start, cohorts + periods + 1)),
            rolling=_read_rolling(question.window, calendar.length),
            cells=tuple(by_period.get(period) for period in range(1, periods + 1)),
            on_or_after=question.kind == RetentionKind.RETENTION_KIND_ON_OR_AFTER,
        ),
    )


def _read_rolling(window: int, length: Length) -> timedelta | None:
    if window not in RetentionWindow.values():
        raise QuestionError("window", f"must be one of {', '.join(RetentionWindow.keys()[1:])}")
    if window != RetentionWindow.RETENTION_WINDOW_ROLLING_24H:
        return None
    if length not in ROLLING:
        raise QuestionError(
            "window", f"counts spans of 24 hours, which make days and weeks; ask for those, not for a {length.value}"
        )
    return ROLLING[length]


def _read_cells(question: GetRetentionRequest, cohorts: int) -> tuple[_Cell, ...]:
    """Read which periods fill which cell: one each, or as the brackets say."""
    if question.kind not in RetentionKind.values():
        raise QuestionError("kind", f"must be one of {', '.join(RetentionKind.keys()[1:])}")
    if question.kind != RetentionKind.RETENTION_KIND_BRACKETS:
        if question.brackets:
            raise QuestionError("brackets", "require RETENTION_KIND_BRACKETS; set it, or leave them out")
        return tuple(_Cell(period, period) for period in range(1, read_periods(question.periods, cohorts) + 1))
    if question.periods:
        raise QuestionError("periods", "are set by the brackets; leave them out")
    if not 1 <= len(question.brackets) <= MOST_BRACKETS:
        raise QuestionError("brackets", f'must be 1 to {MOST_BRACKETS}, as in "1-7", "8-30"')
    cells: list[_Cell] = []
    for number, text in enumerate(question.brackets):
        match = BRACKET.fullmatch(text)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last:
            raise QuestionError(
                f"brackets[{number}]", f'must be periods from 1 on, both ends included, as in "1-7"; not {text[:40]!r}'
            )
        if last > MOST_PERIODS:
            raise QuestionError(f"brackets[{number}]", f"must end with period {MOST_PERIODS} or earlier, not {last}")
        if cells and first <= cells[-1].last:
            raise QuestionError(
                f"brackets[{number}]", f"must begin after the previous one, which ends at {cells[-1].last}"
            )
        cells.append(_Cell(first, last))
    return tuple(cells)


def _write_cohorts(plan: _Plan, users: Sequence[Sequence[int]], now: datetime) -> list[RetentionCohort]:
    """Write every cohort of the range, also one that nobody is in; `users` has a row for each, and maybe more."""
    cohorts = []
    for cohort, counts in enumerate(users[: plan.cohorts], 1):
        size = counts[0]
        own_end = min(plan.question.bounds[cohort], plan.scope.end)
        cells = [RetentionCell(index=0, users=size, complete=own_end <= now)]
        cells += [
            RetentionCell(index=number, users=count, complete=_end_of(plan, cohort, cell) <= now)
            for number, (cell, count) in enumerate(zip(plan.cells, counts[1:], strict=True), 1)
        ]
        start = plan.question.bounds[cohort - 1]
        cohorts.append(RetentionCohort(start_time=to_timestamp(start), size=size, cells=cells))
    return cohorts


def _end_of(plan: _Plan, cohort: int, cell: _Cell) -> datetime:
    """Find when the last actor of a cohort can have filled a cell."""
    question = plan.question
    if question.rolling is None:
        return question.bounds[cohort + cell.last]
    return min(question.bounds[cohort], plan.scope.end) + (cell.last + 1) * question.rolling


def define(plan: _Plan) -> str:
    """Say in words what a retention counts."""
    question, length = plan.question, plan.calendar.length.value
    entry = ENTRY_WORDS[question.entry].format(entry=_event(question.entry_step), length=length)
    if question.rolling is None:
        periods = f"Periods are calendar {length}s of the time zone, counted from that of the entry"
    else:
        periods = f"Periods are spans of {question.rolling // timedelta(hours=1)} hours from the actor's own entry"
    ways: dict[int, str] = {
        RetentionKind.RETENTION_KIND_ON_OR_AFTER: "in the period or a later one",
        RetentionKind.RETENTION_KIND_BRACKETS: "in any period of the bracket, both ends included",
    }
    back = ways.get(plan.kind, "in the period")
    return (
        f"{entry}; cohorts are by the calendar {length} of the entry. It comes back by any "
        f"{_event(question.return_step)} {back}. {periods}; a return in the entry's own period adds nothing. The mean "
        "weighs cohorts by their size and leaves incomplete cells out; it ends where no cohort with actors is complete."
    )


def _event(pattern: EventPattern) -> str:
    return format_step(pattern) or "event"
