"""The funnel: what is asked, and what an answer consists of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from reports.patterns.matching import columns_of, columns_of_field
from reports.patterns.predicates import EventPattern, FieldPath, Operator, ValueKind
from storage.segments.schema import EventColumns
from storage.segments.scopes import EventScope


class StepOrder(Enum):
    """How steps follow each other."""

    ORDERED = "ordered"
    STRICT = "strict"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Events that end an attempt when they happen after `from_step` and before `to_step` (counted from 0)."""

    pattern: EventPattern
    from_step: int
    to_step: int


@dataclass(frozen=True, slots=True)
class FunnelQuestion:
    """A funnel.

    Attributes:
        start, end: where an attempt begins; aware, half-open.
        window: the longest time between the first step and the last, both included.
        steps: at least two.
        order: how they follow each other.
        first_only: whether only an actor's first entry in range may begin an attempt.
        exclusions: in any order, each spans all steps.
        breakdown: the field that actors are grouped by.
        open_since: an entry from here on may still convert; aware.
    """

    start: datetime
    end: datetime
    window: timedelta
    steps: tuple[EventPattern, ...]
    order: StepOrder
    first_only: bool
    exclusions: tuple[Exclusion, ...]
    breakdown: FieldPath | None
    open_since: datetime

    @property
    def patterns(self) -> tuple[EventPattern, ...]:
        """The patterns of the steps and of the exclusions."""
        return (*self.steps, *(exclusion.pattern for exclusion in self.exclusions))

    @property
    def event_types(self) -> frozenset[str] | None:
        """The types of the events that may count; None where those of any type may."""
        types = {pattern.event_type for pattern in self.patterns}
        if self.order is StepOrder.STRICT or None in types:
            return None
        return frozenset(filter(None, types))

    def scope(self, known: EventColumns, more: Sequence[str] = ()) -> EventScope:
        """Name the events and the columns that an answer is made of.

        Args:
            known: the columns of the catalogue.
            more: columns that are needed besides.
        """
        names = ["actor_hash", "timestamp", "event_type", "received_at", *more]
        for pattern in self.patterns:
            names += columns_of(pattern, known)
        if self.breakdown is not None:
            types = {step.event_type for step in self.steps}
            for event_type in {None} if None in types else types:
                names += columns_of_field(self.breakdown, known, event_type)
        return EventScope(start=self.start, end=self.end + self.window, columns=tuple(dict.fromkeys(names)))


def overlapping_steps(steps: Sequence[EventPattern]) -> list[list[int]]:
    """Put the steps (from 0) that one event may fit together into groups; a step of its own is a group of one."""
    groups: list[list[int]] = []
    for number, step in enumerate(steps):
        touched = [group for group in groups if any(_may_overlap(steps[other], step) for other in group)]
        groups = [group for group in groups if group not in touched]
        groups.append([*(other for group in touched for other in group), number])
    return sorted(groups)


def _may_overlap(one: EventPattern, other: EventPattern) -> bool:
    """Tell whether one event may fit both: not when they differ by type, or ask one field for different values."""
    if one.event_type and other.event_type and one.event_type != other.event_type:
        return False
    asked = {condition.path: condition.values for condition in one.conditions if condition.operator is Operator.EQUAL}
    return not any(
        condition.operator is Operator.EQUAL
        and condition.path.kind is not ValueKind.TEXTS
        and asked.get(condition.path, condition.values) != condition.values
        for condition in other.conditions
    )


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step: its actors, and the seconds since the step before, None for the first step and where nobody took it."""

    users: int
    mean_seconds: float | None = None
    median_seconds: float | None = None
    p90_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class FunnelRow:
    """A funnel of all actors, of one group, or (`value` None) of all groups that are not listed."""

    value: str | None
    open_users: int
    steps: tuple[StepRow, ...]


@dataclass(frozen=True, slots=True)
class FunnelRows:
    """The whole, and its groups, largest first; these are empty without a breakdown."""

    total: FunnelRow
    groups: Sequence[FunnelRow]
    as_of: datetime | None


@dataclass(frozen=True, slots=True)
class ActorRow:
    """An actor and when its attempt took its steps (UTC); `value` is empty where there is none."""

    actor_id: str
    value: str
    step_times: tuple[datetime, ...]


@dataclass(frozen=True, slots=True)
class ActorRows:
    """Actors by id, and the newest receipt among the events that may count."""

    actors: Sequence[ActorRow]
    as_of: datetime | None
