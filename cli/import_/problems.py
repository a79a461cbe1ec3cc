"""The rejected records of an import, grouped by their problems."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cli.import_.csv_source import NOT_UTF8_ADVICE
from cli.import_.mapping_values import NOT_UTF8
from cli.import_.records import RecordError
from runtime.terminal import count_text, printable
from sociallive.analytics.v1.track_pb2 import Rejection

UNREADABLE = ""
"""Stands for a reason where a record never became an event."""
MOST_GROUPS = 1_000
"""Groups that are kept: a file of another kind may have a field name of its own on each line."""
MOST_SHOWN = 20
"""Groups that are shown: enough to see what is wrong."""
MOST_RECORD_PROBLEMS = 20
"""Problems of one record that are listed; the service lists about as many."""


class Problem(NamedTuple):
    """One problem of a record."""

    reason: str
    """As the service names it, "INVALID_EVENT"; UNREADABLE where the record never became an event."""
    field: str
    """The field's path; empty where it is about the record as a whole."""
    description: str

    def __str__(self) -> str:
        """Write it in one line, as a terminal can show it."""
        where = f"{self.field}: " if self.field else ""
        return printable(f"{self.reason} {where}{self.description}".strip())


@dataclass(slots=True)
class Group:
    """Problems of one reason and field."""

    example: Problem
    """The first one."""
    place: str
    """Where the first one is: "sales.csv:12"."""
    records: int = 0


class Problems:
    """Counts problems by reason and field, and remembers the first of each."""

    def __init__(self) -> None:
        """Begin without any."""
        self._groups: dict[tuple[str, str], Group] = {}
        self._others = 0
        self.untold = 0
        """Rejected records for which the service reported no reason."""

    def add(self, place: str, problems: Sequence[Problem]) -> None:
        """Count the problems of one record, once for each reason and field."""
        for key in {(problem.reason, problem.field): problem for problem in reversed(problems)}.items():
            self._count(place, *key)

    def _count(self, place: str, key: tuple[str, str], problem: Problem) -> None:
        group = self._groups.get(key)
        if group is None:
            if len(self._groups) == MOST_GROUPS:
                self._others += 1
                return
            group = self._groups[key] = Group(problem, place)
        group.records += 1

    def lines(self) -> Iterator[str]:
        """Yield a line for each kind of problem, the most frequent first, and what to do where that is clear."""
        groups = sorted(self._groups.values(), key=lambda group: -group.records)
        for group in groups[:MOST_SHOWN]:
            more = f" (and {count_text(group.records - 1)} more)" if group.records > 1 else ""
            yield f"{printable(group.place)}: {group.example}{more}"
        left = self._others + sum(group.records for group in groups[MOST_SHOWN:])
        if left:
            yield f"... and {count_text(left)} records have other problems"
        if self.untold:
            yield f"The service did not report the reasons for {count_text(self.untold)} more rejected records."
        if any(NOT_UTF8 in group.example.description for group in groups):
            yield NOT_UTF8_ADVICE


def problem_of(error: RecordError) -> Problem:
    """Say why a record never became an event."""
    return Problem(UNREADABLE, error.field, str(error))


def problems_of(rejection: Rejection) -> list[Problem]:
    """Say why the service rejected an event; one problem at least."""
    found = [Problem(rejection.reason, each.field, each.description) for each in rejection.violations]
    return found[:MOST_RECORD_PROBLEMS] or [Problem(rejection.reason, "", "")]
