"""How hard a scenario is, and what it showed."""

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Pace:
    """How long and how hard scenarios are.

    Attributes:
        calm_s: load before and after a fault.
        outage_s: how long what is stopped or frozen stays so.
        rounds: how often a fault that takes a moment is repeated.
        events_per_s: of each client.
        back_within_s: how soon after the end of a fault the service has to serve again by itself.
        asks_stats: whether to ask `analytics ingest stats`, too, which takes a second; it reads what is counted anyway.
    """

    calm_s: float
    outage_s: float
    rounds: int
    events_per_s: float
    back_within_s: float
    asks_stats: bool


FULL = Pace(calm_s=3.0, outage_s=20.0, rounds=3, events_per_s=1000.0, back_within_s=10.0, asks_stats=True)
SHORT = Pace(calm_s=0.7, outage_s=3.5, rounds=1, events_per_s=300.0, back_within_s=20.0, asks_stats=False)
"""Several stages and other programs share the machine then, so starting a process may take some seconds."""


@dataclass(slots=True)
class Result:
    """What a scenario showed; it holds when `problems` is empty."""

    name: str
    seconds: float = 0.0
    acknowledged: int = 0
    lost: int = 0
    twice: int = 0
    back_in_s: float | None = None
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def describe(self) -> str:
        """Write it in one line, and each problem in another."""
        back = "-" if self.back_in_s is None else f"{self.back_in_s:.1f}"
        line = (
            f"{'FAIL' if self.problems else 'ok  '} {self.name:25} {self.seconds:6.1f} s   "
            f"acknowledged {self.acknowledged:>7,}   lost {self.lost}   twice {self.twice}   back_in_s {back:>4}   "
        )
        return "\n".join([line + "; ".join(self.notes), *(f"     - {problem}" for problem in self.problems)])


def summarize(results: Iterable[Result]) -> dict[str, int]:
    """Add results up."""
    results = list(results)
    return {
        "scenarios": len(results),
        "acknowledged": sum(result.acknowledged for result in results),
        "acknowledged_lost": sum(result.lost for result in results),
        "stored_twice": sum(result.twice for result in results),
    }
