"""The statement of a retention, composed from its template and the question."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

from storage.reports.predicates import EventPattern, Parameters, Query, pattern_sql
from storage.sql import template

BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)
AFTER_ALL = datetime(2200, 1, 1, tzinfo=UTC)
"""No event lies outside; bounds that are always there keep the statement the same."""


class Entry(Enum):
    """How actors enter."""

    FIRST_EVER = "first ever"
    FIRST_IN_RANGE = "first in range"
    RECURRING = "recurring"


@dataclass(frozen=True, slots=True)
class RetentionQuestion:
    """A retention of the actors that enter in [start, end).

    Periods count from 1, that which holds `start`: period n lies between bounds[n - 1] and bounds[n].
    """

    start: datetime
    end: datetime
    entry_step: EventPattern
    return_step: EventPattern
    entry: Entry
    bounds: tuple[datetime, ...]
    """Where the calendar's periods begin, ascending, and where the last one ends (UTC)."""
    rolling: timedelta | None
    """The length of periods that count from an actor's own entry; None where they are the calendar's."""
    cells: tuple[int | None, ...]
    """For each period after the entry, the first in place 0, the cell that a return fills (from 1); None for none."""
    on_or_after: bool
    """Whether a return fills the cells before its own too; then only an actor's last one is told."""

    @property
    def returns_end(self) -> datetime:
        """The first moment after all that can fill a cell."""
        if self.on_or_after:
            return AFTER_ALL
        if self.rolling is not None:
            return self.end + (len(self.cells) + 1) * self.rolling
        return self.bounds[-1]


def retention_query(question: RetentionQuestion) -> Query:
    """Compose the statement: rows are (cohort, cell, users, as_of), the cohort by the number of its period."""
    parameters = Parameters()
    bounds = parameters.add(question.bounds, "timestamptz[]")
    start = parameters.add(question.start, "timestamptz")
    ever = question.entry is Entry.FIRST_EVER
    read_from = parameters.add(BEFORE_ALL, "timestamptz") if ever else start
    return Query(
        template("retention").format(
            entry_step=pattern_sql(question.entry_step, parameters),
            return_step=pattern_sql(question.return_step, parameters),
            entries_from=read_from,
            entries_to=parameters.add(question.end, "timestamptz"),
            returns_from=start,
            read_from=read_from,
            read_to=parameters.add(max(question.end, question.returns_end), "timestamptz"),
            mark=f"width_bucket(timestamp, {bounds})" if question.rolling is None else "timestamp",
            entries=_entries(question),
            members=_members(question, bounds),
            cells=_cells(question, parameters),
        ),
        tuple(parameters.list),
    )


def _entries(question: RetentionQuestion) -> str:
    if question.entry is Entry.RECURRING:
        return "array_agg(entered_at) FILTER (WHERE entered_at IS NOT NULL)"
    return "min(entered_at)"


def _members(question: RetentionQuestion, bounds: str) -> str:
    """Write the rows (cohort, entered_at, marks, as_of): one an actor, or one for each period it enters in."""
    if question.entry is not Entry.RECURRING:
        return f"SELECT width_bucket(entries, {bounds}) AS cohort, entries AS entered_at, marks, as_of FROM actors"
    return (
        "SELECT cohort, entered_at, marks, as_of FROM actors, LATERAL ("
        f"SELECT width_bucket(moment, {bounds}) AS cohort, min(moment) AS entered_at"
        " FROM unnest(entries) AS entry(moment)"
        f" GROUP BY width_bucket(moment, {bounds})) AS entered"
    )


def _cells(question: RetentionQuestion, parameters: Parameters) -> str:
    """Write the cells that one member fills by returning."""
    if question.rolling is None:
        period, later = "mark - cohort", "mark > cohort"
    else:
        seconds = parameters.add(question.rolling // timedelta(seconds=1), "integer")
        period = f"CAST(floor(extract(epoch FROM mark - entered_at) / {seconds}) AS integer)"
        later = f"{period} > 0"
    returns = f"FROM unnest(marks) AS come(mark) WHERE {later}"
    if question.on_or_after:
        return f"SELECT max({period}) {returns}"
    # A calendar mark is a period, and on its own it fills a cell of its own; otherwise several may fill one.
    distinct = "DISTINCT " if question.rolling is not None or _shared(question.cells) else ""
    cells = parameters.add(question.cells, "integer[]")
    return f"SELECT {distinct}({cells})[{period}] {returns}"


def _shared(cells: tuple[int | None, ...]) -> bool:
    told = [cell for cell in cells if cell is not None]
    return len(told) > len(set(told))
