"""The rows of a funnel."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from asyncpg import Record

from storage.postgres.reader import Snapshot
from storage.reports.funnel_sql import FunnelQuestion, StepOrder, actors_query, totals_query


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


async def read_funnel(snapshot: Snapshot, question: FunnelQuestion, *, most_groups: int) -> FunnelRows:
    """Read how many actors take each step.

    Args:
        snapshot: what to read from.
        question: the funnel.
        most_groups: how many groups to list; the others are one group together.
    """
    total, *groups = await snapshot.fetch_query(totals_query(question, most_groups))
    count = len(question.steps)
    return FunnelRows(
        total=_funnel_row(total, "", count),
        groups=[_funnel_row(row, row["value"] if row["place"] <= most_groups else None, count) for row in groups],
        as_of=await read_as_of(snapshot, question),
    )


async def read_funnel_actors(
    snapshot: Snapshot, question: FunnelQuestion, *, least: int, most: int, after: str | None, limit: int
) -> list[ActorRow]:
    """Read the actors that took at least `least` and at most `most` steps, ordered by id.

    Args:
        snapshot: what to read from.
        question: the funnel.
        least: steps at least, from 1.
        most: steps at most.
        after: the last actor of the page before.
        limit: how many at most.
    """
    rows = await snapshot.fetch_query(actors_query(question, least=least, most=most, after=after, limit=limit))
    return [
        ActorRow(
            actor_id=row["actor_id"],
            value=row["value"],
            step_times=tuple(row[f"t{step}"] for step in range(1, row["reached"] + 1)),
        )
        for row in rows
    ]


async def read_as_of(snapshot: Snapshot, question: FunnelQuestion) -> datetime | None:
    """Find the newest receipt among the events of the steps' types, or among all where any event may count."""
    patterns = [*question.steps, *(exclusion.pattern for exclusion in question.exclusions)]
    types = {pattern.event_type for pattern in patterns}
    every = question.order is StepOrder.STRICT or None in types
    row = await snapshot.fetch_one(
        "funnel_as_of", question.start, question.end + question.window, None if every else list(types)
    )
    as_of: datetime | None = row["as_of"]
    return as_of


def _funnel_row(row: Record, value: str | None, count: int) -> FunnelRow:
    steps = [StepRow(row["users_1"])]
    steps += [
        StepRow(row[f"users_{step}"], row[f"mean_{step}"], row[f"median_{step}"], row[f"p90_{step}"])
        for step in range(2, count + 1)
    ]
    return FunnelRow(value, row["open_users"], tuple(steps))
