"""Plans right after a bulk load: no report depends on statistics that nobody has gathered yet."""

import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import asyncpg
import pytest
from asyncpg import Record
from google.protobuf import json_format

from server.paging import PageTokens
from server.reports import cohort, dashboard, event_list, funnel, retention
from sociallive.analytics.v1.funnel_pb2 import ListFunnelActorsRequest
from storage.postgres.database import Connection, Database
from storage.postgres.reader import Reader, Snapshot
from storage.reports.predicates import Query
from tests.report_questions import COHORT, DASHBOARD, EVENT_LIST, FUNNEL, PURCHASE, RETENTION, VIEW, Report
from tests.rows import make_batch, make_row, make_store

FIRST = datetime(2026, 3, 1, tzinfo=UTC)
DAYS = 8
EVENTS, ACTORS = 12_000, 600
SCOPE = {"startTime": "2026-03-03T00:00:00Z", "endTime": "2026-03-08T00:00:00Z"}
STEPS = {"steps": ["view", "purchase", "view"]}
CLEAN = {"step": "engagement", "toStep": 1}


class ExplainedSnapshot(Snapshot):
    """A snapshot that also asks how each statement was carried out."""

    plans: list[dict[str, Any]]

    async def fetch_query(self, query: Query) -> list[Record]:
        """Read the rows, and keep the plan, under the settings that the rows were read with."""
        rows = await super().fetch_query(query)
        explained = await self.connection.fetchval(
            f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {query.text}", *query.parameters
        )
        self.plans.append(json.loads(explained)[0]["Plan"])
        return rows

    async def fetch_each(self, queries: Sequence[Query]) -> list[list[Record]]:
        """Read one after the other."""
        return [await self.fetch_query(query) for query in queries]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """List the nodes of a plan."""
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


@pytest.fixture(scope="module")
async def loaded(module_database_url: str) -> AsyncIterator[Database]:
    """A database with events of which Postgres knows nothing but the size of their files."""
    chance = random.Random(3)  # noqa: S311 - the same events in each run
    rows = []
    for _ in range(EVENTS):
        event_type = chance.choice(("view", "view", "purchase", "engagement"))
        data = {"view": VIEW, "purchase": PURCHASE}.get(event_type, {"action": "like"})
        at = FIRST + timedelta(seconds=chance.randrange(DAYS * 86_400))
        user = f"user-{chance.randrange(ACTORS)}"
        rows.append(make_row(event_type=event_type, timestamp=at, user_id=user, event_data=json.dumps(data)))
    database = await Database.open(module_database_url)
    store = make_store(database)
    await store.store(make_batch(rows))
    await store.close()
    yield database
    await database.close()


@pytest.fixture(scope="module", params=["right after the load", "analyzed"])
async def database(request: pytest.FixtureRequest, loaded: Database) -> Database:
    """The database before anybody has gathered statistics, and then after."""
    sql: Connection = await asyncpg.connect(loaded.address.url)
    if request.param == "analyzed":
        await sql.execute("ANALYZE analytics_events")
    else:
        days = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'analytics_events'::regclass"
        for (day,) in await sql.fetch(days):  # autovacuum is not to come in between
            await sql.execute(f"ALTER TABLE {day} SET (autovacuum_enabled = false)")
        assert await sql.fetchval("SELECT count(*) FROM pg_stats WHERE tablename LIKE 'analytics_events%'") == 0
    await sql.close()
    return loaded


Answer = Callable[[Snapshot, Any, datetime], Awaitable[Any]]

TOKENS = PageTokens(b"a key")
LIST_EVENTS = partial(event_list.answer, tokens=TOKENS)
LIST_ACTORS = partial(funnel.list_actors, tokens=TOKENS)

QUESTIONS: list[tuple[Answer, Report, dict[str, Any]]] = [
    (dashboard.answer, DASHBOARD, {}),
    (LIST_EVENTS, EVENT_LIST, {}),
    (LIST_EVENTS, EVENT_LIST, {"eventType": "purchase", "filter": "purchase:amount>=0.1"}),
    (LIST_EVENTS, EVENT_LIST, {"userId": "user-7"}),
    (funnel.answer, FUNNEL, STEPS),
    (funnel.answer, FUNNEL, {**STEPS, "order": "FUNNEL_ORDER_STRICT", "exclusions": [CLEAN]}),
    (funnel.answer, FUNNEL, {**STEPS, "order": "FUNNEL_ORDER_ANY", "breakdown": "platform"}),
    (funnel.answer, FUNNEL, {**STEPS, "entry": "FUNNEL_ENTRY_FIRST", "exclusions": [CLEAN]}),
    (retention.answer, RETENTION, {}),
    (retention.answer, RETENTION, {"entry": "RETENTION_ENTRY_FIRST_IN_RANGE", "entryStep": "view"}),
    (retention.answer, RETENTION, {"entry": "RETENTION_ENTRY_RECURRING", "kind": "RETENTION_KIND_ON_OR_AFTER"}),
    (retention.answer, RETENTION, {"window": "RETENTION_WINDOW_ROLLING_24H"}),
    (cohort.answer, COHORT, {}),
    (cohort.answer, COHORT, {"step": "purchase", "granularity": "GRANULARITY_WEEK"}),
]


async def scans_of(database: Database, answer: Answer, question: Any) -> Counter[int]:
    """Answer a question; count how many scans of a day of events ran how often, over all its statements."""
    async with Reader(database).snapshot(60) as plain:
        explained = ExplainedSnapshot(plain.connection, database, plain._deadline, plain.rollups)
        explained.plans = []
        # A scan that workers share counts once for each of them.
        await plain.connection.execute("SET LOCAL max_parallel_workers_per_gather = 0")
        await answer(explained, question, FIRST + timedelta(days=DAYS))
    return Counter(
        node["Actual Loops"]
        for plan in explained.plans
        for node in nodes(plan)
        if node.get("Relation Name", "").startswith("analytics_events")
    )


@pytest.mark.parametrize(("answer", "asked", "fields"), QUESTIONS)
async def test_no_report_reads_events_again_and_again(
    database: Database, answer: Answer, asked: Report, fields: dict[str, Any]
) -> None:
    """Each day is scanned once a statement, never once for each row of something."""
    scans = await scans_of(database, answer, json_format.ParseDict({**SCOPE, **fields}, asked.request()))
    assert scans.total() > 0
    assert max(scans) <= 1


async def test_neither_do_the_actors_of_a_funnel(database: Database) -> None:
    """Nor their next page."""
    steps: Any = json_format.ParseDict({**SCOPE, **STEPS}, FUNNEL.request())
    question = ListFunnelActorsRequest(funnel=steps, page_size=5)
    for _ in range(2):
        assert max(await scans_of(database, LIST_ACTORS, question)) <= 1
        async with Reader(database).snapshot(60) as snapshot:
            page = await LIST_ACTORS(snapshot, question, FIRST + timedelta(days=DAYS))
        question.page_token = page.next_page_token


async def test_a_statement_that_does_is_seen(database: Database) -> None:
    """What each row of a view looks up is a scan for each of them."""

    async def look_up(snapshot: Snapshot, _question: None, _now: datetime) -> None:
        text = (
            "SELECT (SELECT max(other.timestamp) FROM analytics_events AS other WHERE other.actor_id = one.actor_id)"
            " FROM analytics_events AS one WHERE event_type = $1"
        )
        await snapshot.fetch_query(Query(text, ("view",)))

    assert max(await scans_of(database, look_up, None)) > 1
