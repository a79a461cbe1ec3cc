"""What a report may cost: its caller's time and no more, and a turn among the heavy ones."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import pytest

from server.reports.desk import TURN_WAIT_S
from sociallive.analytics.v1.funnel_pb2 import ListFunnelActorsRequest
from tests.acceptance.running import Service, fails_with
from tests.acceptance.samples import reason, retry_delay_s
from tests.conftest import copy_data_dir
from tests.report_questions import COHORT, DASHBOARD, FUNNEL, REPORTS, RETENTION, SCOPE

QUESTIONS: dict[str, Any] = {asked.method: asked.asked() for asked in REPORTS}
QUESTIONS["ListFunnelActors"] = ListFunnelActorsRequest(funnel=FUNNEL.asked())
HEAVY: dict[str, Any] = {
    **{asked.method: asked.asked() for asked in (FUNNEL, COHORT, RETENTION)},
    "ListFunnelActors": QUESTIONS["ListFunnelActors"],
    "GetDashboard": DASHBOARD.asked(**SCOPE, precision="PRECISION_EXACT"),
}
"""Those that read a share of all events."""


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory, made_database: Path) -> Iterator[Service]:
    """A service that answers one heavy report at a time; no jobs, whose reads of the locked table would count, too."""
    folder = tmp_path_factory.mktemp("bounds")
    data_dir = copy_data_dir(made_database, folder / "data")
    with Service(data_dir, command="serve", ANALYTICS_REPORTS_CONCURRENT="1", ANALYTICS_WORKERS="1") as service:
        yield service


@asynccontextmanager
async def locked_events(service: Service) -> AsyncIterator[asyncpg.Connection]:
    """Lock the catalogue of segments, so that a report waits; yields a connection that looks at the server."""
    url = f"postgresql://postgres@/analytics?host={service.data_dir / 'run'}&port=5432"
    locker, looker = await asyncpg.connect(url), await asyncpg.connect(url)
    try:
        async with locker.transaction():
            await locker.execute("LOCK TABLE analytics_segments IN ACCESS EXCLUSIVE MODE")
            yield looker
    finally:
        await locker.close()
        await looker.close()


async def until_reading(looker: asyncpg.Connection, *, expected: bool) -> None:
    """Wait until Postgres works for a report, or for none any more: no statement, and no transaction either."""
    async with asyncio.timeout(20):
        while expected != await looker.fetchval(
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'analytics reader' AND state <> 'idle'"
        ):
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("method", QUESTIONS)
async def test_a_cancelled_call_ends_its_statement(busy: Service, method: str) -> None:
    """Postgres is free again, and so is the place: the same question is answered."""
    ask = getattr(busy.stub, method)
    async with locked_events(busy) as looker:
        call = ask.future(QUESTIONS[method], timeout=60)
        await until_reading(looker, expected=True)
        call.cancel()
        await until_reading(looker, expected=False)
    assert ask(QUESTIONS[method], timeout=20).info.definition


@pytest.mark.parametrize("method", QUESTIONS)
async def test_a_deadline_ends_its_statement(busy: Service, method: str) -> None:
    """The caller learns that its time was up, and nothing goes on behind its back."""
    async with locked_events(busy) as looker:
        with fails_with(grpc.StatusCode.DEADLINE_EXCEEDED):
            await asyncio.to_thread(getattr(busy.stub, method), QUESTIONS[method], timeout=1)
        await until_reading(looker, expected=False)


@pytest.mark.parametrize("method", HEAVY)
async def test_heavy_reports_past_the_bound_are_told_to_come_back(busy: Service, method: str) -> None:
    """One is under way, and the next one, whichever it is, waits a little and is refused, worth repeating."""
    async with locked_events(busy) as looker:
        call = busy.stub.GetFunnel.future(QUESTIONS["GetFunnel"], timeout=60)
        await until_reading(looker, expected=True)
        with fails_with(grpc.StatusCode.RESOURCE_EXHAUSTED) as caught:
            await asyncio.to_thread(getattr(busy.stub, method), HEAVY[method], timeout=30)
        assert reason(caught[0]) == "REPORTS_BUSY"
        assert retry_delay_s(caught[0]) == 1
        call.cancel()
        await until_reading(looker, expected=False)


@pytest.mark.parametrize("method", ["ListEvents", "GetDashboard"])
async def test_pages_and_dashboards_need_no_turn(busy: Service, method: str) -> None:
    """While a heavy report is under way, they wait for Postgres and not for a place."""
    async with locked_events(busy) as looker:
        heavy = busy.stub.GetFunnel.future(QUESTIONS["GetFunnel"], timeout=60)
        await until_reading(looker, expected=True)
        with fails_with(grpc.StatusCode.DEADLINE_EXCEEDED):
            await asyncio.to_thread(getattr(busy.stub, method), QUESTIONS[method], timeout=TURN_WAIT_S + 1)
        heavy.cancel()
        await until_reading(looker, expected=False)
