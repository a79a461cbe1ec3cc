"""Which requests of a client meet a fault, and which one."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from enum import StrEnum

POISON = "poison-"
"""Begins the content id of an event because of which a whole batch is refused."""
FAULTY_SHARE = 0.25
"""The share of requests that meet a fault. A client that backs off after each still gets through."""
FIRST_SHARE = 0.6
"""The same until each kind was met, so that a run of few requests meets all."""
RETRY_AFTER_S = 1
"""What a refusal asks the client to wait: the shortest that the header `retry-after` can say."""


class Fault(StrEnum):
    """What a request can meet."""

    UNAVAILABLE = "unavailable"
    """503 with Retry-After, or UNAVAILABLE with RetryInfo; the service does not get the request."""
    RESET = "reset"
    """The service stores the events, and the connection breaks before the response."""
    TOO_LARGE = "too_large"
    """413, or MESSAGE_TOO_LARGE, for a request with several events; the service does not get it."""
    POISON = "poison"
    """400 for a whole request that holds a certain event; the service does not get it."""
    STALL = "stall"
    """No response for some seconds, then a broken connection; the service does not get the request."""
    OFFLINE = "offline"
    """Connections are refused or broken."""


KINDS = (Fault.UNAVAILABLE, Fault.RESET, Fault.TOO_LARGE, Fault.STALL)
"""The faults that any request can meet."""


class FaultPlan:
    """Decides about each request, in turns that a seed determines.

    Attributes:
        stall_s: how long a stall lasts.
        counts: how often each fault was met.
        offline: set while the gateway takes no connection.
    """

    def __init__(self, seed: int, stall_s: float) -> None:
        """Make a plan; equal seeds make equal plans."""
        self.stall_s = stall_s
        self.counts: Counter[Fault] = Counter()
        self.offline = asyncio.Event()
        self._random = random.Random(seed)  # noqa: S311 - a plan, not a secret
        self._turns = self._make_turns()

    def next_fault(self, events: int, *, has_poison: bool) -> Fault | None:
        """Choose the fault of a request with so many events; None lets it pass."""
        fault = self._choose(events, has_poison=has_poison)
        if fault is not None:
            self.counts[fault] += 1
        return fault

    def _choose(self, events: int, *, has_poison: bool) -> Fault | None:
        if has_poison:
            return Fault.POISON
        share = FAULTY_SHARE if all(self.counts[kind] for kind in KINDS) else FIRST_SHARE
        if self._random.random() >= share:
            return None
        fault = next(self._turns)
        # A single event that is too large cannot be split, and would have to be rejected.
        return Fault.UNAVAILABLE if fault is Fault.TOO_LARGE and events == 1 else fault

    def _make_turns(self) -> Iterator[Fault]:
        """Yield each kind once before any comes again, so that short runs meet all. A stall is every second round."""
        for number in range(10**9):
            turn = [kind for kind in KINDS if kind is not Fault.STALL or number % 2 == 0]
            self._random.shuffle(turn)
            yield from turn
