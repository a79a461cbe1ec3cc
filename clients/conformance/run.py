"""Runs one client: accepts events at a rate, makes faults, kills the client if it survives that, and judges it."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clients.conformance.adapter import Adapter, AdapterError
from clients.conformance.faults import POISON, Fault, FaultPlan
from clients.conformance.grpc_gateway import GrpcGateway
from clients.conformance.http_gateway import HttpGateway
from clients.conformance.manifest import Manifest
from clients.conformance.oracle import Accepted, Verdict, judge, list_stored

GOOD = "content-"
INVALID_EVERY = 97
"""Every so many events is one that the service rejects: its scroll depth is out of range."""
MOST_FLUSHES = 20


@dataclass(frozen=True, slots=True)
class Extent:
    """How much a run does.

    Attributes:
        events: accepted events to reach.
        rate: events a second that the client is given.
        stall_s: how long a stalled request waits.
        offline_s: how long the gateway takes no connection, after half of the events.
        kills: how often a client that survives it is killed.
        flush_ms: the time that a flush may take.
        poison_every: every so many events is one because of which the gateway refuses the whole request. To find it,
            a client makes many requests, each of which may meet a fault.
    """

    events: int = 10_000
    rate: int = 500
    stall_s: float = 10.0
    offline_s: float = 60.0
    kills: int = 3
    flush_ms: int = 60_000
    poison_every: int = 1_999


SHORT = Extent(events=400, rate=200, stall_s=1.0, offline_s=2.0, kills=2, flush_ms=30_000, poison_every=199)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of one client showed: the verdict, the faults that its requests met, and what else was wrong."""

    name: str
    verdict: Verdict
    faults: Counter[Fault]
    problems: list[str]

    @property
    def holds(self) -> bool:
        """Whether the client kept its promise."""
        return self.verdict.holds and not self.problems


class ClientRun:
    """One client under load, in front of a service of which the gRPC address and the REST port are given."""

    def __init__(self, manifest: Manifest, extent: Extent, address: str, rest_port: int, folder: Path) -> None:
        self._manifest = manifest
        self._extent = extent
        self._address = address
        self._rest_port = rest_port
        self._state = folder / manifest.name.replace("/", "_")
        self._user = f"conformance-{manifest.name}"
        self._accepted = Accepted()
        self._problems: list[str] = []
        self._numbers = iter(range(10**9))

    async def run(self) -> Outcome:
        """Run the client and judge it."""
        self._state.mkdir(parents=True)
        plan = FaultPlan(seed=7, stall_s=self._extent.stall_s)
        rest, grpc = HttpGateway(self._rest_port, plan), GrpcGateway(self._address, plan)
        await rest.start()
        await grpc.start()
        adapter = Adapter(self._manifest, rest.port, grpc.port, self._state)
        try:
            await adapter.start()
            await self._load(adapter, plan, (rest, grpc))
            await self._finish(adapter)
        except AdapterError as exc:
            self._problems.append(str(exc))
        finally:
            await adapter.kill()
            await rest.stop()
            await grpc.close()
        stored = await asyncio.to_thread(list_stored, self._address, self._user)
        verdict = judge(self._accepted, stored, set(adapter.rejected), set(adapter.dropped))
        missed = [str(fault) for fault in Fault if not plan.counts[fault]]
        if missed:
            self._problems.append(f"its requests did not meet: {', '.join(missed)}")
        return Outcome(self._manifest.name, verdict, plan.counts, self._problems)

    async def _load(self, adapter: Adapter, plan: FaultPlan, gateways: tuple[HttpGateway, GrpcGateway]) -> None:
        """Give the client its events; go offline at the half, and kill it at equal distances."""
        extent = self._extent
        kills = extent.kills if self._manifest.survives_kill else 0
        kill_at = {extent.events * (number + 1) // (kills + 1) for number in range(kills)}
        offline: asyncio.Task[None] | None = None
        started = time.monotonic()
        for count in range(extent.events):
            await asyncio.sleep(max(0.0, started + count / extent.rate - time.monotonic()))
            if count == extent.events // 2:
                offline = asyncio.create_task(go_offline(plan, gateways, extent.offline_s))
            if count in kill_at:
                await self._kill(adapter)
            await self._track_one(adapter)
        if offline is not None:
            await offline

    async def _kill(self, adapter: Adapter) -> None:
        await adapter.kill()
        self._accepted.bad_before_kill |= self._accepted.bad
        self._accepted.bad.clear()
        await adapter.start()

    async def _track_one(self, adapter: Adapter) -> None:
        number = next(self._numbers)
        content_id, data = self._make_view(number)
        answer = await adapter.track({"type": "view", "userId": self._user, "data": data})
        if answer["op"] == "refused":
            self._problems.append(f"refused event {number}: {answer.get('reason')}")
        elif content_id.startswith(GOOD) and "scrollDepth" not in data:
            self._accepted.good[content_id] = answer["eventId"]
        else:
            self._accepted.bad.add(answer["eventId"])

    def _make_view(self, number: int) -> tuple[str, dict[str, Any]]:
        """Make the data of the event with this number; return its content id, which no other has, and the data."""
        is_poison = _is_nth(number, self._extent.poison_every)
        content_id = f"{POISON if is_poison else GOOD}{number}"
        data: dict[str, Any] = {"contentType": "post", "contentId": content_id}
        if _is_nth(number, INVALID_EVERY):
            data["scrollDepth"] = 7
        return content_id, data

    async def _finish(self, adapter: Adapter) -> None:
        for _ in range(MOST_FLUSHES):
            pending = await adapter.flush(self._extent.flush_ms)
            if not pending:
                break
        else:
            self._problems.append(f"{pending} events are pending after {MOST_FLUSHES} flushes")
        code = await adapter.close()
        if code:
            self._problems.append(f"exited with {code} after `close`: {adapter.log()[-2000:]}")


async def go_offline(plan: FaultPlan, gateways: tuple[HttpGateway, GrpcGateway], seconds: float) -> None:
    """Take no connections for some time."""
    plan.counts[Fault.OFFLINE] += 1
    for gateway in gateways:
        await gateway.stop()
    await asyncio.sleep(seconds)
    for gateway in gateways:
        await gateway.start()


def _is_nth(number: int, every: int) -> bool:
    """Tell whether this is one of every so many, counted from the middle of the first."""
    return number % every == every // 2


def summary(outcomes: list[Outcome]) -> dict[str, Any]:
    """Add up the outcomes of all clients."""
    faults: Counter[str] = Counter()
    for outcome in outcomes:
        faults.update({str(fault): count for fault, count in outcome.faults.items()})
    totals = {
        name: sum(getattr(outcome.verdict, name) for outcome in outcomes)
        for name in ("accepted", "stored", "rejected", "lost", "doubled", "dropped")
    }
    return {"clients": [outcome.name for outcome in outcomes], **totals, "faults": dict(sorted(faults.items()))}


def describe(outcome: Outcome) -> Iterator[str]:
    """Describe an outcome in lines for people."""
    verdict = outcome.verdict
    faults = ", ".join(f"{fault} {count}" for fault, count in sorted(outcome.faults.items()))
    yield (
        f"{outcome.name}: accepted {verdict.accepted:,}, stored {verdict.stored:,}, rejected {verdict.rejected:,}, "
        f"lost {verdict.lost}, doubled {verdict.doubled}, dropped {verdict.dropped}; faults: {faults}"
    )
    for problem in outcome.problems:
        yield f"  {problem}"
