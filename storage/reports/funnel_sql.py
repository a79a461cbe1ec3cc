"""The funnel's statement: its templates, filled in for the steps of a question.

What goes into the text are names and numbers of columns; the values that steps compare with are parameters.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from itertools import combinations

from storage.reports.predicates import (
    EventPattern,
    FieldPath,
    Operator,
    Parameters,
    Query,
    ValueKind,
    pattern_sql,
    text_sql,
)
from storage.sql import template

KEY = ("actor_hash", "timestamp", "sequence", "event_id", "actor_id")
"""Whose event it is, and its place among that actor's events. What has a fixed width comes first, where a sort finds it
at once; the id keeps actors with the same hash apart."""
START, ENTRY_END, READ_END, WINDOW, OPEN_SINCE = (
    "$1::timestamptz",
    "$2::timestamptz",
    "$3::timestamptz",
    "$4::interval",
    "$5::timestamptz",
)


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
    """A funnel; times are aware."""

    start: datetime
    end: datetime
    window: timedelta
    steps: tuple[EventPattern, ...]
    order: StepOrder
    first_only: bool
    """Whether only an actor's first entry in range may begin an attempt."""
    exclusions: tuple[Exclusion, ...]
    """None where the order is ANY."""
    breakdown: FieldPath | None
    open_since: datetime
    """An entry from here on may still convert."""


def totals_query(question: FunnelQuestion, most_groups: int) -> Query:
    """Compose the statement of the totals: a row for all actors (place null), then one a group, largest first.

    Columns: place, value, open_users, and for each step k from 1 users_k, and from 2 mean_k, median_k and p90_k in
    seconds since the step before. The place after `most_groups` stands for all other groups.
    """
    parameters = Parameters(*_times(question))
    count = len(question.steps)
    names = ", ".join(f"t{step}" for step in range(1, count + 1))
    seconds = [
        f"extract(epoch FROM t{step} - t{step - 1})::double precision AS seconds_{step}" for step in range(2, count + 1)
    ]
    figures = [f"count(CASE WHEN reached >= {step} THEN 1 END) AS users_{step}" for step in range(1, count + 1)]
    for step in range(2, count + 1):
        by_seconds = f"WITHIN GROUP (ORDER BY seconds_{step})"
        figures += [
            f"avg(seconds_{step}) AS mean_{step}",
            f"percentile_cont(0.5) {by_seconds} AS median_{step}",
            f"percentile_cont(0.9) {by_seconds} AS p90_{step}",
        ]
    grouped = question.breakdown is not None
    text = attempts_sql(question, parameters, "TRUE")
    text += template("funnel_groups").format(names=names) if grouped else ""
    text += template("funnel_totals").format(
        place=f"CASE WHEN place <= {most_groups} THEN place ELSE {most_groups + 1} END" if grouped else "NULL",
        source="placed" if grouped else "attempts",
        seconds=", ".join(seconds),
        place_shown="place" if grouped else "NULL",
        count=count,
        figures=", ".join(figures),
        grouping="GROUPING SETS ((), (place))" if grouped else "()",
    )
    return Query(text, tuple(parameters.list))


def actors_query(question: FunnelQuestion, *, least: int, most: int, after: str | None, limit: int) -> Query:
    """Compose the statement of the actors that took at least `least` and at most `most` steps, by their ids.

    Columns: actor_id, value, is_open, reached, and t1, t2 ... when each step was taken.

    Args:
        question: the funnel.
        least: steps at least, from 1.
        most: steps at most.
        after: the last actor of the page before.
        limit: how many at most.
    """
    parameters = Parameters(*_times(question))
    later = "TRUE" if after is None else f'actor_id COLLATE "C" > {parameters.add(after, "text")}'
    text = attempts_sql(question, parameters, later) + template("funnel_actors").format(
        names=", ".join(f"t{step}" for step in range(1, len(question.steps) + 1)),
        least=parameters.add(least, "bigint"),
        most=parameters.add(most, "bigint"),
        limit=parameters.add(limit, "bigint"),
    )
    return Query(text, tuple(parameters.list))


def attempts_sql(question: FunnelQuestion, parameters: Parameters, only_actors: str) -> str:
    """Write the CTEs up to `attempts`: for each actor that entered, the attempt that counts.

    Args:
        question: the funnel.
        parameters: begins with the five times that the templates name.
        only_actors: a predicate on the actors to look at.
    """
    patterns = [*question.steps, *(exclusion.pattern for exclusion in question.exclusions)]
    predicates = [pattern_sql(pattern, parameters) for pattern in patterns]
    steps, exclusions = predicates[: len(question.steps)], predicates[len(question.steps) :]
    facts = [f"{predicate} AS m{step}" for step, predicate in enumerate(steps, 1)]
    facts += [f"{predicate} AS x{number}" for number, predicate in enumerate(exclusions, 1)]
    if question.breakdown is not None:
        any_step = " OR ".join(dict.fromkeys(steps))
        facts.append(f"CASE WHEN {any_step} THEN {text_sql(question.breakdown, parameters)} END AS value")
    wanted = "TRUE" if question.order is StepOrder.STRICT else f"({' OR '.join(dict.fromkeys(predicates))})"
    compose = _any_order if question.order is StepOrder.ANY else _ordered
    return compose(question, ", ".join(facts), f"{wanted} AND {only_actors}")


def overlapping_steps(steps: Sequence[EventPattern]) -> list[list[int]]:
    """Put the steps (from 0) that one event may fit together into groups; a step of its own is a group of one."""
    groups: list[list[int]] = []
    for number, step in enumerate(steps):
        touched = [group for group in groups if any(_may_overlap(steps[other], step) for other in group)]
        groups = [group for group in groups if group not in touched]
        groups.append([*(other for group in touched for other in group), number])
    return sorted(groups)


def _times(question: FunnelQuestion) -> tuple[object, ...]:
    return (
        question.start,
        question.end,
        question.end + question.window,
        question.window,
        question.open_since,
    )


def _touch(question: FunnelQuestion) -> str:
    """Write the first value that is not empty; among an actor's steps, since other events tell none."""
    if question.breakdown is None:
        return "''"
    ordered = "array_agg(value ORDER BY timestamp, sequence, event_id) FILTER (WHERE value <> '')"
    return f"coalesce(({ordered})[1], '')"


def _ordered(question: FunnelQuestion, facts: str, wanted: str) -> str:
    """Fill in the templates of the orders ORDERED and STRICT."""
    count = len(question.steps)
    levels = range(1, count + 1)
    added = _entry_columns(question, "m1 AND ")
    if question.exclusions:
        added.append("row_number() OVER earlier AS place")
    is_entry = f"m1 AND timestamp < {ENTRY_END}{' AND earlier_entry IS NULL' if question.first_only else ''}"
    steps = [_step(question, step) for step in levels[1:]]
    reached = " ".join(f"WHEN s{step}_{step} IS NOT NULL THEN {step}" for step in reversed(levels))
    times = [
        f"coalesce({', '.join(f's{at}_{step}' for at in range(count, step - 1, -1))}) AS t{step}" for step in levels
    ]
    return template("funnel_ordered").format(
        facts=facts,
        wanted=wanted,
        preparations=_prepared(question, added),
        carried=", ".join(_carried(question, 1)),
        is_entry=is_entry,
        prepared="prepared" if added else "events",
        steps="".join(steps),
        touch=_touch(question),
        firsts=", ".join(f"min({name}) AS {name}" for step in levels for name in _completion(step)),
        count=count,
        reached=f"CASE {reached} END",
        times=", ".join(times),
    )


def _step(question: FunnelQuestion, step: int) -> str:
    """Fill in the template of a step after the first."""
    strict = question.order is StepOrder.STRICT
    earlier = [f"max(s{step - 1}_{at}) OVER earlier AS b{at}" for at in range(1, step)]
    complete = [f"m{step}", f"timestamp <= b1 + {WINDOW}"]
    excluded = [
        (number, exclusion)
        for number, exclusion in enumerate(question.exclusions, 1)
        if exclusion.from_step + 1 < step <= exclusion.to_step + 1
    ]
    if excluded:
        earlier.append(f"max(CASE WHEN s{step - 1}_1 IS NOT NULL THEN place END) OVER earlier AS previous_place")
    for number, exclusion in excluded:
        earlier.append(f"max(CASE WHEN x{number} THEN place END) OVER earlier AS x{number}_place")
        # The step after which it counts may be such an event itself; a step between may not.
        comparison = ">=" if exclusion.from_step + 1 == step - 1 else ">"
        complete.append(f"(x{number}_place IS NULL OR previous_place {comparison} x{number}_place)")
    completes = " AND ".join(complete)
    completed = [f"CASE WHEN {completes} THEN b{at} END AS s{step}_{at}" for at in range(1, step)]
    completed.append(f"CASE WHEN {completes} THEN timestamp END AS s{step}_{step}")
    useful = "TRUE"
    if step == 2 and not strict and question.breakdown is None:  # noqa: PLR2004 - where first entries are known
        # Entries after the first have done their work: most rows of most funnels go no further than this.
        marks = [f"m{at}" for at in range(2, len(question.steps) + 1)]
        marks += [f"x{number}" for number in range(1, len(question.exclusions) + 1)]
        useful = f"{' OR '.join(marks)} OR b1 IS NULL OR s1_1 >= {OPEN_SINCE}"
    kept = [name for at in range(1, step) for name in _completion(at)]
    return template("funnel_step").format(
        step=step,
        previous=step - 1,
        carried=", ".join([*_carried(question, step - 1), *kept]),
        earlier=", ".join(earlier),
        reach="1" if strict else "UNBOUNDED",
        carried_on=", ".join([*_carried(question, step), *kept]),
        completed=", ".join(completed),
        useful=useful,
    )


def _completion(step: int) -> list[str]:
    return [f"s{step}_{at}" for at in range(1, step + 1)]


def _carried(question: FunnelQuestion, step: int) -> list[str]:
    """List the columns that steps after `step` look at."""
    names = [*KEY, *(f"m{later}" for later in range(step + 1, len(question.steps) + 1))]
    if question.exclusions:
        names += ["place", *(f"x{number}" for number in range(1, len(question.exclusions) + 1))]
    return names if question.breakdown is None else [*names, "value"]


def _entry_columns(question: FunnelQuestion, fits: str) -> list[str]:
    if not question.first_only:
        return []
    return [f"max(CASE WHEN {fits}timestamp < {ENTRY_END} THEN timestamp END) OVER earlier AS earlier_entry"]


def _prepared(question: FunnelQuestion, added: Sequence[str]) -> str:
    if not added:
        return ""
    facts = [f"m{step}" for step in range(1, len(question.steps) + 1)]
    facts += [f"x{number}" for number in range(1, len(question.exclusions) + 1)]
    facts += [] if question.breakdown is None else ["value"]
    return _window("prepared", [*KEY, *facts], added, "events", "earlier", "ASC")


def _window(name: str, carried: Iterable[str], added: Iterable[str], source: str, window: str, direction: str) -> str:
    return template("funnel_prepared").format(
        name=name,
        carried=", ".join(carried),
        added=", ".join(added),
        source=source,
        window=window,
        direction=direction,
    )


def _any_order(question: FunnelQuestion, facts: str, wanted: str) -> str:
    """Fill in the template of the order ANY."""
    levels = range(1, len(question.steps) + 1)
    groups = overlapping_steps(question.steps)
    added = _entry_columns(question, "")
    carried = [*KEY, *(f"m{step}" for step in levels)] + ([] if question.breakdown is None else ["value"])
    carried_on = [*KEY, *([] if question.breakdown is None else ["value"])]
    first = ["earlier_entry"] if added else []
    source = "prepared" if added else "events"
    preparations = _prepared(question, added)
    known: list[str] = []
    for turn in range(1, max(len(group) for group in groups) + 1):
        counted = [steps for group in groups for steps in _subsets(group) if len(steps) >= turn]
        later = [f"min(CASE WHEN {_fits(steps)} THEN {_nth(steps, turn - 1)} END) OVER later" for steps in counted]
        names = [_nth(steps, turn) for steps in counted]
        columns = [f"{window} AS {name}" for window, name in zip(later, names, strict=True)]
        preparations += _window(f"later_{turn}", [*carried, *first, *known], columns, source, "later", "DESC")
        known += names
        source = f"later_{turn}"
    chances = [_chance(group, taken) for group in groups for taken in range(1, len(group) + 1)]
    in_window = [f"c{step} <= timestamp + {WINDOW}" for step in levels]
    return template("funnel_any").format(
        facts=facts,
        wanted=wanted,
        preparations=preparations,
        carried=", ".join(carried_on),
        is_entry=f"timestamp < {ENTRY_END}{' AND earlier_entry IS NULL' if first else ''}",
        chances=", ".join(f"{chance} AS c{step}" for step, chance in zip(levels, chances, strict=True)),
        prepared=source,
        names=", ".join(f"c{step}" for step in levels),
        reached=" + ".join(f"CASE WHEN {within} THEN 1 ELSE 0 END" for within in in_window),
        finished="greatest("
        + ", ".join(
            f"CASE WHEN {within} THEN c{step} ELSE timestamp END"
            for step, within in zip(levels, in_window, strict=True)
        )
        + ")",
        touch=_touch(question),
        best=", ".join(f"max(CASE WHEN place = 1 THEN c{step} END) AS c{step}" for step in levels),
        by_number=" ".join(f"WHEN {step} THEN c{step}" for step in levels),
        numbers=", ".join(f"({step})" for step in levels),
        times=", ".join(
            f"max(CASE WHEN step = {step} AND reached >= {step} THEN taken_at END) AS t{step}" for step in levels
        ),
    )


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


def _subsets(group: Sequence[int]) -> list[tuple[int, ...]]:
    return [steps for size in range(1, len(group) + 1) for steps in combinations(group, size)]


def _fits(steps: Sequence[int]) -> str:
    return f"({' OR '.join(f'm{step + 1}' for step in steps)})"


def _nth(steps: Sequence[int], turn: int) -> str:
    """Name the column that tells when the turn-th later event comes; the event itself is the one before the first."""
    return f"n{'_'.join(str(step + 1) for step in steps)}_at_{turn}" if turn else "timestamp"


def _chance(group: Sequence[int], taken: int) -> str:
    """Write when so many steps of the group are taken, the event itself included."""
    waits = []
    for steps in _subsets(group):
        turn = len(steps) + taken - len(group)
        if turn > 0:
            at = f"CASE WHEN {_fits(steps)} THEN {_nth(steps, turn - 1)} ELSE {_nth(steps, turn)} END"
            waits.append(f"coalesce({at}, 'infinity'::timestamptz)")
    return f"greatest({', '.join(waits)})"
