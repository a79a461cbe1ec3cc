"""The stage of a scenario: its services, Postgres servers and clients, what is measured, and how it all ends."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from tests.acceptance.running import Service
from tests.chaos.conservation import (
    Verdict,
    count_missing,
    judge_answers,
    judge_report,
    judge_stats,
    judge_storage,
    read_stats,
    read_truth,
)
from tests.chaos.journal import Account, Source, add_up
from tests.chaos.load import Load, Probe
from tests.chaos.postgres import PostgresServer, url_of_embedded
from tests.chaos.result import Pace, Result
from tests.chaos.sealer import Sealer
from tests.chaos.service_log import find_faults, read_log

GIVEN_UP_AFTER_S = 30.0
"""A service that is late is waited for a little, so that the report can say how late."""
STOPPED_WITHIN_S = 10.0
"""The drain time of 5 s, and what the last flush and the end of Postgres take."""
SPOOLING_WITHIN_S = 20.0
"""An outage has lasted for long enough when this is asked; a busy machine is given some time to show it."""
DRAINED_WITHIN_S = 30.0
SETTLED_WITHIN_S = 5.0
"""The count is taken again for so long while the last of a spool is on its way."""
WARM_WITHIN_S = 20.0
WARM_EVENTS = 50
"""The load is under way when so many events are acknowledged."""
STEADY_PROBES = 3
"""So many good answers in a row mean serving: with several workers one may be well and another not."""
POLL_S = 0.1

_T = TypeVar("_T")


class Stage:
    """What scenarios start, in a folder of its own; leaving it stops all of that, whatever happened.

    Scenarios that follow each other on one stage share its services and Postgres; each has clients of its own.
    """

    def __init__(self, folder: Path, pace: Pace) -> None:
        self.folder = folder
        self.pace = pace
        self.result = Result("")
        self.resources = ExitStack()
        self._epoch_ms = int(time.time() * 1000)
        self._started: dict[object, object] = {}
        self._services: list[Service] = []
        self._log_starts: dict[Path, int] = {}
        self._loads: list[Load] = []
        self._probes: dict[Path, Probe] = {}
        self._earlier: list[Source] = []
        self._known_losses: set[str] = set()
        self._known_copies: set[str] = set()
        self._database_url = ""
        self._sealer: Sealer | None = None
        self._sealed: Counter[str] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.resources.close()

    def begin(self, name: str) -> Result:
        """Begin a scenario: clients, probes and what the logs say from here on are its own."""
        self._earlier += self._sources()
        self._loads, self._probes = [], {}
        self._log_starts = {service.data_dir: len(service.output()) for service in self._services}
        self.result = Result(name)
        return self.result

    def once(self, key: object, make: Callable[[], _T]) -> _T:
        """Make something the first time that it is asked for, and give the same ever after."""
        if key not in self._started:
            self._started[key] = make()
        made: _T = self._started[key]  # type: ignore[assignment]
        return made

    def postgres(self) -> PostgresServer:
        """Give a Postgres of the harness's own."""

        def make() -> PostgresServer:
            server = PostgresServer(self.folder / "server")
            self.resources.callback(server.stop)
            server.start()
            self._use(server.url)
            return server

        return self.once(PostgresServer, make)

    def service(self, name: str = "service", *, database_url: str | None = None, **environment: str) -> Service:
        """Give a service of this name, on its embedded Postgres where it gets no database."""
        if database_url is not None:
            environment["DATABASE_URL"] = database_url

        def make() -> Service:
            data_dir = self.folder / name
            service = Service(data_dir, command="serve", port=None, ANALYTICS_LOG_FORMAT="json", **environment)
            self._services.append(self.resources.enter_context(service))
            if not self._database_url:
                self._use(url_of_embedded(data_dir))
            return service

        return self.once(("service", name), make)

    def _use(self, database_url: str) -> None:
        """Count in this database, and seal there every second."""
        self._database_url = database_url
        self._sealer = Sealer(database_url, self.folder / "sealer.txt")
        self.resources.callback(self._sealer.stop)

    def load(
        self,
        *services: Service,
        name: str = "client",
        seed: str = "load",
        reverse: bool = False,
        resends: bool = False,
    ) -> Load:
        """Start a client of one or more services and wait until it is under way.

        Args:
            services: where it sends to; attempts take turns.
            name: of the client.
            seed: clients of a scenario with the same seed send the same events.
            reverse: whether to turn the order within each message round.
            resends: whether events are sent again on purpose, so that a first sending may be a duplicate.
        """
        load = Load(
            services,
            source=Source(
                f"{self.result.name}/{seed}", self.folder / f"{self.result.name}-{name}.jsonl", resends=resends
            ),
            epoch_ms=self._epoch_ms,
            events_per_s=self.pace.events_per_s,
            reverse=reverse,
        )
        load.start()
        self.resources.callback(load.kill)
        self._loads.append(load)
        self.wait_for("the load is under way", lambda: load.count_taken() >= WARM_EVENTS, WARM_WITHIN_S)
        return load

    def probe(self, service: Service) -> Probe:
        """Give the service's probe."""
        if service.data_dir not in self._probes:
            name = f"{self.result.name}-probe-{service.data_dir.name}"
            probe = Probe(service, source=Source(name, self.folder / f"{name}.jsonl"), epoch_ms=self._epoch_ms)
            self.resources.callback(probe.close)
            self._probes[service.data_dir] = probe
        return self._probes[service.data_dir]

    def stop(self, service: Service) -> None:
        """Stop a service by SIGTERM, and expect it to end well and in time."""
        assert service.process is not None
        service.process.terminate()
        started_s = time.monotonic()
        code = service.wait(2 * STOPPED_WITHIN_S)
        stopped_in_s = time.monotonic() - started_s
        self.expect(code == 0, f"it ended with code {code}")
        self.expect(stopped_in_s <= STOPPED_WITHIN_S, f"it took {stopped_in_s:.1f} s to stop")
        self.note(f"stopped in {stopped_in_s:.1f} s")

    def calm(self) -> None:
        """Let the load run."""
        time.sleep(self.pace.calm_s)

    def rounds(self) -> Iterator[int]:
        """Count the rounds of a short fault, with calm after each."""
        for number in range(self.pace.rounds):
            yield number
            self.calm()

    def wait_for(self, what: str, check: Callable[[], bool], timeout_s: float) -> None:
        """Wait until the check answers true.

        Raises:
            AssertionError: it does not in time.
        """
        deadline_s = time.monotonic() + timeout_s
        while not check():
            if time.monotonic() > deadline_s:
                raise AssertionError(f"not within {timeout_s:g} s: {what}")
            time.sleep(POLL_S)

    def expect(self, holds: bool, what: str) -> None:  # noqa: FBT001 - a condition and its name
        """Report a problem when something does not hold, and go on."""
        if not holds:
            self.report(what)

    def report(self, problem: str) -> None:
        """Report a problem: the scenario does not hold."""
        self.result.problems.append(problem)

    def note(self, text: str) -> None:
        """Add to what the report says."""
        self.result.notes.append(text)

    def await_serving(self, service: Service, fault_ended_s: float) -> None:
        """Wait until the service serves again, and measure the time since a fault has ended (time.monotonic)."""
        probe = self.probe(service)
        good, back_s = 0, 0.0
        while good < STEADY_PROBES:
            if probe.is_serving():
                good += 1
                back_s = back_s if good > 1 else time.monotonic()
            else:
                good = 0
                if time.monotonic() - fault_ended_s > GIVEN_UP_AFTER_S:
                    self.report(f"not serving {GIVEN_UP_AFTER_S:g} s after the fault's end")
                    return
                time.sleep(POLL_S)
        took_s = back_s - fault_ended_s
        self.result.back_in_s = max(took_s, self.result.back_in_s or 0.0)
        self.expect(took_s <= self.pace.back_within_s, f"serving again only {took_s:.1f} s after the fault's end")

    def expect_spooling(self, service: Service, within_s: float = SPOOLING_WITHIN_S) -> None:
        """Expect events to be taken into the spool about now, and health to tell the truth."""
        deadline_s = time.monotonic() + within_s
        while (answer := self.probe(service).send()) != "SPOOLED" and time.monotonic() < deadline_s:
            time.sleep(POLL_S)
        self.expect(answer == "SPOOLED", f"while Postgres is away Track answers {answer}, not SPOOLED")
        for name, expected in (("ingest", "SERVING"), ("storage", "NOT_SERVING"), ("", "NOT_SERVING")):
            found = service.health(name)
            self.expect(found == expected, f"while Postgres is away health({name!r}) is {found}, not {expected}")

    def expect_log(self, service: Service, *events: str, **fields: str) -> None:
        """Expect the service's log to say each of these in a line of its own, which also has the given fields."""
        lines = read_log(service, self._log_starts.get(service.data_dir, 0))
        lines = [line for line in lines if fields.items() <= line.items()]
        for event in events:
            count = sum(line.get("event") == event for line in lines)
            said = " ".join((event, *fields.values()))
            self.expect(count > 0, f"the log has no line {said}")
            self.note(f"{said} x{count}")

    def settle(self) -> None:
        """End the load, wait until everything is stored, and count; earlier scenarios of the stage count, too."""
        for load in self._loads:
            self.expect(load.finish(), f"client {load.source.path.stem} could not get rid of its events")
        for probe in self._probes.values():
            self.wait_for("the last probe is taken", probe.settle, GIVEN_UP_AFTER_S)
        told, everything = add_up(self._sources()), add_up([*self._earlier, *self._sources()])
        self._await_drained(everything)
        verdict = self._count(everything)
        self.result.acknowledged = len(told.acknowledged)
        self.result.lost = len(verdict.lost - self._known_losses)
        self.result.twice = len(verdict.twice - self._known_copies)
        self._known_losses |= verdict.lost
        self._known_copies |= verdict.twice
        self.result.problems += verdict.problems + judge_answers(told)
        self._judge_sealer()
        if told.failures:
            failures = (f"{failure} x{count}" for failure, count in told.failures.most_common())
            self.note("clients were told " + ", ".join(failures))
        for service in self._services:
            self.result.problems += find_faults(service, self._log_starts.get(service.data_dir, 0))

    def _judge_sealer(self) -> None:
        assert self._sealer is not None
        counted = self._sealer.count()
        counts, self._sealed = counted - self._sealed, counted
        self.note(f"sealed or merged x{counts['done']}, killed x{counts['killed']}")
        self.expect(counts["done"] > 0, "nothing was sealed")
        self.expect(counts["failed"] == 0, f"sealing failed x{counts['failed']}")

    def _sources(self) -> list[Source]:
        return [load.source for load in self._loads] + [probe.source for probe in self._probes.values()]

    def _await_drained(self, account: Account) -> None:
        started_s = time.monotonic()
        while missing := count_missing(self._database_url, account.acknowledged):
            if time.monotonic() - started_s > DRAINED_WITHIN_S:
                self.report(f"{missing} acknowledged events are not stored {DRAINED_WITHIN_S:g} s after the load")
                return
            time.sleep(POLL_S)

    def _count(self, account: Account) -> Verdict:
        deadline_s = time.monotonic() + SETTLED_WITHIN_S
        while True:
            truth = asyncio.run(read_truth(self._database_url))
            verdict = judge_storage(account, truth)
            for service in self._services if self.pace.asks_stats else ():
                verdict.problems += judge_stats(read_stats(service.data_dir, self._database_url), truth)
            for service in self._services:
                verdict.problems += judge_report(service.count_events(), truth)
            if not verdict.problems or time.monotonic() > deadline_s:
                return verdict
            time.sleep(POLL_S)
