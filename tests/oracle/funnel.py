"""The funnel by brute force, written from docs/reports.md: every attempt of an actor is tried."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from reports.funnel.question import FunnelQuestion, StepOrder
from tests.oracle.history import Happening
from tests.oracle.matching import matches, value_at


@dataclass(frozen=True, slots=True)
class Attempt:
    """How far an actor got: when it took each step, its group, and whether an entry's window is open."""

    times: tuple[datetime, ...]
    value: str
    is_open: bool


def best_attempt(question: FunnelQuestion, history: Sequence[Happening]) -> Attempt | None:
    """Find the attempt that counts; None where the actor never entered.

    Args:
        question: the funnel.
        history: all events of one actor, ordered.
    """
    events = [event for event in history if question.start <= event.timestamp < question.end + question.window]
    if question.order is StepOrder.ANY:
        fits = [number for number, event in enumerate(events) if any(matches(step, event) for step in question.steps)]
    else:
        fits = [number for number, event in enumerate(events) if matches(question.steps[0], event)]
    entries = [number for number in fits if events[number].timestamp < question.end]
    if not entries:
        return None
    if question.first_only:
        entries = entries[:1]
    if question.order is StepOrder.ANY:
        tried = [(entry, _any_order(question, events, entry)) for entry in entries]
        # The furthest; of these the earliest end; of these the latest start.
        _, times = max(tried, key=lambda one: (len(one[1]), question.start - one[1][-1], one[0]))
    else:
        chains = [chain for entry in entries for chain in _chains(question, events, [entry])]
        # The furthest; of these the first to get there; of these the latest start, then the latest events on the way.
        best = max(chains, key=lambda chain: (len(chain), -chain[-1], chain))
        times = tuple(events[number].timestamp for number in best)
    return Attempt(
        times=times,
        value=_first_touch(question, events),
        is_open=any(events[entry].timestamp >= question.open_since for entry in entries),
    )


def _chains(question: FunnelQuestion, events: Sequence[Happening], chain: list[int]) -> Iterator[list[int]]:
    """Yield the chain and all its continuations that are attempts."""
    yield chain
    if len(chain) == len(question.steps):
        return
    last = chain[-1]
    following = [last + 1] if question.order is StepOrder.STRICT else range(last + 1, len(events))
    for number in following:
        if number >= len(events) or not matches(question.steps[len(chain)], events[number]):
            continue
        if events[number].timestamp - events[chain[0]].timestamp > question.window:
            continue
        longer = [*chain, number]
        if not _is_excluded(question, events, longer):
            yield from _chains(question, events, longer)


def _is_excluded(question: FunnelQuestion, events: Sequence[Happening], chain: Sequence[int]) -> bool:
    for exclusion in question.exclusions:
        if len(chain) <= exclusion.from_step:
            continue
        since, until = chain[exclusion.from_step], chain[min(exclusion.to_step, len(chain) - 1)]
        if any(matches(exclusion.pattern, event) for event in events[since + 1 : until]):
            return True
    return False


def _any_order(question: FunnelQuestion, events: Sequence[Happening], entry: int) -> tuple[datetime, ...]:
    """Tell when an attempt in any order takes its first, second ... step, whichever these are."""
    times: list[datetime] = []
    for number in range(entry, len(events)):
        if events[number].timestamp - events[entry].timestamp > question.window:
            break
        if _most_steps(question, events[entry : number + 1]) > len(times):
            times.append(events[number].timestamp)
        if number > entry and any(matches(exclusion.pattern, events[number]) for exclusion in question.exclusions):
            break
    return tuple(times)


def _most_steps(question: FunnelQuestion, events: Sequence[Happening]) -> int:
    """Count the steps that these events can take, each event at most one: augmenting paths."""
    taken_by: dict[int, int] = {}

    def assign(event: int, tried: set[int]) -> bool:
        for step, pattern in enumerate(question.steps):
            if step not in tried and matches(pattern, events[event]):
                tried.add(step)
                if step not in taken_by or assign(taken_by[step], tried):
                    taken_by[step] = event
                    return True
        return False

    return sum(assign(event, set()) for event in range(len(events)))


def _first_touch(question: FunnelQuestion, events: Sequence[Happening]) -> str:
    if question.breakdown is None:
        return ""
    for event in events:
        if any(matches(step, event) for step in question.steps):
            value = value_at(question.breakdown, event)
            if value is not None and value != "":
                return str(value).lower() if isinstance(value, bool) else str(value)
    return ""
