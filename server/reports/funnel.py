"""The funnel: how many actors go through a sequence of steps, and who they are.

Example: rows in, 40 and 10 users for the steps view and purchase; steps out, view: 40 users, 0 dropped; purchase: 10
users, 30 dropped, 0.25 of the first.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from reports.funnel.actors import ActorChoice, read_funnel_actors
from reports.funnel.question import Exclusion, FunnelQuestion, FunnelRow, StepOrder, overlapping_steps
from reports.funnel.rows import read_funnel
from reports.patterns.predicates import EventPattern
from server.paging import PageToken, PageTokens, read_page_size
from server.reports.errors import QuestionError
from server.reports.scope import LONGEST_REPORT, Scope, read_scope, to_timestamp
from server.reports.steps import CATALOGUE, format_field, format_step, parse_field, parse_step, step_texts
from sociallive.analytics.v1.funnel_pb2 import (
    FunnelActor,
    FunnelEntry,
    FunnelExclusion,
    FunnelGroup,
    FunnelOrder,
    FunnelStep,
    GetFunnelRequest,
    GetFunnelResponse,
    ListFunnelActorsRequest,
    ListFunnelActorsResponse,
)
from storage.segments.snapshot import EventSnapshot

DEFAULT_TIMEFRAME = "30d"
DEFAULT_WINDOW = "14d"
WINDOW = re.compile(r"([0-9]{1,9})([smhdw])")
UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
LONGEST_WINDOW = timedelta(days=366)
LEAST_STEPS, MOST_STEPS = 2, 12
MOST_EXCLUSIONS = 8
"""Each step and exclusion is a pass over the events; nobody reads a funnel that is longer."""
MOST_OVERLAPPING = 3
"""Steps in any order that one event may fit: every set of them is looked at, and four have fifteen."""
MOST_GROUPS = 25
"""What fits a screen; the rest is one group, `$other`."""
OTHER = "$other"

ORDERS = {
    FunnelOrder.FUNNEL_ORDER_UNSPECIFIED: StepOrder.ORDERED,
    FunnelOrder.FUNNEL_ORDER_ORDERED: StepOrder.ORDERED,
    FunnelOrder.FUNNEL_ORDER_STRICT: StepOrder.STRICT,
    FunnelOrder.FUNNEL_ORDER_ANY: StepOrder.ANY,
}
ENTRIES = {
    FunnelEntry.FUNNEL_ENTRY_UNSPECIFIED: False,
    FunnelEntry.FUNNEL_ENTRY_BEST: False,
    FunnelEntry.FUNNEL_ENTRY_FIRST: True,
}
ORDER_WORDS = {
    StepOrder.ORDERED: "one after the other, with anything between",
    StepOrder.STRICT: "one directly after the other, with no event of the actor between",
    StepOrder.ANY: "in any order, each by an event of its own",
}


async def answer(snapshot: EventSnapshot, question: GetFunnelRequest, now: datetime) -> GetFunnelResponse:
    """Answer GetFunnel.

    Raises:
        QuestionError: the scope, a step, the window, the order, an exclusion or the breakdown makes no sense.
    """
    scope, funnel = _read_question(question, now)
    rows = await read_funnel(snapshot, funnel, most_groups=MOST_GROUPS)
    names = [format_step(step) for step in funnel.steps]
    return GetFunnelResponse(
        info=scope.describe(rows.as_of, define(funnel)),
        steps=_write_steps(names, rows.total),
        groups=[
            FunnelGroup(
                value=OTHER if row.value is None else row.value,
                other=row.value is None,
                steps=_write_steps(names, row),
                open_users=row.open_users,
            )
            for row in rows.groups
        ],
        open_users=rows.total.open_users,
    )


async def list_actors(
    snapshot: EventSnapshot, question: ListFunnelActorsRequest, now: datetime, *, tokens: PageTokens
) -> ListFunnelActorsResponse:
    """Answer ListFunnelActors.

    Raises:
        QuestionError: the funnel makes no sense, or it has no such step, or the page does not belong to it.
    """
    scope, funnel = _read_question(question.funnel, now, prefix="funnel.")
    first = 1 if question.dropped else 0
    if not first <= question.step < len(funnel.steps):
        whose = "nobody drops out before step 0; " if question.dropped and question.step == 0 else ""
        raise QuestionError("step", f"{whose}must lie in {first}..{len(funnel.steps) - 1}, not {question.step}")
    page_size = read_page_size(question.page_size)
    token = tokens.read(question, str)
    after = None
    if token is not None:
        scope = replace(scope, start=token.start, end=token.end)
        funnel = replace(funnel, start=token.start, end=token.end)
        (after,) = token.cursor
    choice = ActorChoice(
        least=question.step if question.dropped else question.step + 1,
        most=question.step if question.dropped else len(funnel.steps),
        after=after,
        limit=page_size + 1,  # one more than requested shows whether another page follows
    )
    rows = await read_funnel_actors(snapshot, funnel, choice)
    page = rows.actors[:page_size]
    what = f"Actors that took step {question.step - first}{' and not the next' if question.dropped else ''}, by id. "
    return ListFunnelActorsResponse(
        info=scope.describe(rows.as_of, what + define(funnel)),
        actors=[
            FunnelActor(actor_id=row.actor_id, value=row.value, step_times=[to_timestamp(at) for at in row.step_times])
            for row in page
        ],
        next_page_token=tokens.write(PageToken(scope.start, scope.end, (page[-1].actor_id,)), question)
        if len(rows.actors) > page_size
        else "",
    )


def define(funnel: FunnelQuestion) -> str:
    """Say in words what a funnel counts."""
    chosen = "the first entry of an actor" if funnel.first_only else "the attempt of an actor that gets furthest"
    counts = f"The report counts {chosen}"
    if funnel.order is not StepOrder.ANY and not funnel.first_only:
        counts += ", with the latest start"
    parts = [f"Actors that take the steps {_listed(funnel.steps)}, {ORDER_WORDS[funnel.order]}."]
    parts.append(
        f"{'Any step' if funnel.order is StepOrder.ANY else 'The first step'} begins an attempt when it lies in "
        f"[start_time, end_time); the others follow within {_duration(funnel.window)} of it, also after end_time. "
        f"{counts}."
    )
    if funnel.order is StepOrder.ANY:
        parts.append("The k-th step shown is any k of the steps.")
    for exclusion in funnel.exclusions:
        where = f"between the steps {exclusion.from_step} and {exclusion.to_step}"
        if funnel.order is StepOrder.ANY:
            where = "before all steps are taken"
        parts.append(
            f"An attempt ends at {format_step(exclusion.pattern) or 'any event'} {where}, and keeps the steps before."
        )
    if funnel.breakdown is not None:
        parts.append(
            f"Groups are by the first {format_field(funnel.breakdown)} among an actor's events that fit a step; at "
            f"most {MOST_GROUPS}, and {OTHER} for the rest."
        )
    parts.append("Open users have not taken the last step, and the window of an entry of theirs has not ended.")
    return " ".join(parts)


def _read_question(question: GetFunnelRequest, now: datetime, prefix: str = "") -> tuple[Scope, FunnelQuestion]:
    """Read a request; `prefix` is where it stands in the one that was sent."""
    try:
        return _read(question, now)
    except QuestionError as exc:
        raise QuestionError(prefix + exc.field, exc.description) from None


def _read(question: GetFunnelRequest, now: datetime) -> tuple[Scope, FunnelQuestion]:
    scope = read_scope(question, now=now, default_timeframe=DEFAULT_TIMEFRAME, longest=LONGEST_REPORT)
    texts = step_texts(question.steps, "steps")
    if not LEAST_STEPS <= len(texts) <= MOST_STEPS:
        raise QuestionError("steps", f"must be {LEAST_STEPS} to {MOST_STEPS}, as in view, purchase; not {len(texts)}")
    steps = tuple(parse_step(text, f"steps[{number}]") for number, text in enumerate(texts))
    window = _window(question.window or DEFAULT_WINDOW)
    order = ORDERS.get(question.order)
    if order is None:
        raise QuestionError("order", "must be one of FUNNEL_ORDER_ORDERED, FUNNEL_ORDER_STRICT, FUNNEL_ORDER_ANY")
    first_only = ENTRIES.get(question.entry)
    if first_only is None:
        raise QuestionError("entry", "must be one of FUNNEL_ENTRY_BEST, FUNNEL_ENTRY_FIRST")
    if order is StepOrder.ANY:
        _check_any_order(steps, question.exclusions)
    types = sorted({step.event_type for step in steps if step.event_type})
    return scope, FunnelQuestion(
        start=scope.start,
        end=scope.end,
        window=window,
        steps=steps,
        order=order,
        first_only=first_only,
        exclusions=_exclusions(question.exclusions, len(steps)),
        breakdown=parse_field(question.breakdown, "breakdown", types or list(CATALOGUE.types))
        if question.breakdown
        else None,
        open_since=now - window,
    )


def _window(text: str) -> timedelta:
    match = WINDOW.fullmatch(text)
    if match is None:
        raise QuestionError(
            "window", f'must be a number and s, m (minutes), h, d or w, as in "30m" or "14d", not {text[:40]!r}'
        )
    amount = int(match[1])
    if not 1 <= amount <= LONGEST_WINDOW // UNITS[match[2]]:
        raise QuestionError("window", f"must be longer than zero and at most {LONGEST_WINDOW.days}d, not {text!r}")
    return amount * UNITS[match[2]]


def _exclusions(asked: Sequence[FunnelExclusion], steps: int) -> tuple[Exclusion, ...]:
    if len(asked) > MOST_EXCLUSIONS:
        raise QuestionError("exclusions", f"must be at most {MOST_EXCLUSIONS}, not {len(asked)}")
    found = []
    for number, exclusion in enumerate(asked):
        field = f"exclusions[{number}]"
        if not 0 <= exclusion.from_step < exclusion.to_step < steps:
            raise QuestionError(
                field,
                f"must lie between two of the steps 0..{steps - 1}, from_step before to_step; not between "
                f"{exclusion.from_step} and {exclusion.to_step}",
            )
        pattern = parse_step(exclusion.step, f"{field}.step", any_event=True)
        found.append(Exclusion(pattern, exclusion.from_step, exclusion.to_step))
    return tuple(found)


def _check_any_order(steps: Sequence[EventPattern], exclusions: Sequence[FunnelExclusion]) -> None:
    for number, exclusion in enumerate(exclusions):
        if (exclusion.from_step, exclusion.to_step) != (0, len(steps) - 1):
            raise QuestionError(
                f"exclusions[{number}]",
                f"must be from step 0 to the last, {len(steps) - 1}: in FUNNEL_ORDER_ANY no step lies between others",
            )
    for group in overlapping_steps(steps):
        if len(group) > MOST_OVERLAPPING:
            names = _listed(steps[number] for number in group)
            raise QuestionError(
                "steps",
                f"in FUNNEL_ORDER_ANY at most {MOST_OVERLAPPING} steps may fit one event, and {names} may; give them "
                "conditions on one field with different values",
            )


def _write_steps(names: Sequence[str], row: FunnelRow) -> list[FunnelStep]:
    steps = []
    first = previous = row.steps[0].users
    for name, step in zip(names, row.steps, strict=True):
        steps.append(
            FunnelStep(
                step=name,
                users=step.users,
                dropped=previous - step.users,
                conversion_from_first=step.users / first if first else 0.0,
                conversion_from_previous=step.users / previous if previous else 0.0,
                mean_seconds=step.mean_seconds,
                median_seconds=step.median_seconds,
                p90_seconds=step.p90_seconds,
            )
        )
        previous = step.users
    return steps


def _listed(steps: Iterable[EventPattern]) -> str:
    return " > ".join(format_step(step) for step in steps)


def _duration(window: timedelta) -> str:
    unit = next(name for name in ("d", "h", "m", "s") if not window % UNITS[name])
    return f"{window // UNITS[unit]}{unit}"
