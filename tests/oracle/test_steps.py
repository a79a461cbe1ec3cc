"""Steps: Postgres, DuckDB and the definition find the same events."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from server.reports.steps import parse_field, parse_step
from storage.reports.predicates import Parameters, Query, pattern_sql, text_sql
from tests.oracle.history import Happening, make_histories
from tests.oracle.matching import matches, value_at
from tests.oracle.stores import Stores, open_stores

START = datetime(2026, 3, 10, tzinfo=UTC)

STEPS = [
    "",
    "view",
    ":platform=web",
    ":platform!=web",
    ":platform>ios",
    ":platform in (ios, android)",
    ":device.os=iOS",
    ":device.osVersion exists",
    ":device.osVersion!=18",
    ":userId exists",
    ":sessionId exists",
    ":userAgent exists",
    ":schemaVersion>=1.1.0",
    "view:contentType=post",
    "view:contentType!=post,platform=ios",
    "view:viewDuration!=5",
    "view:referrer exists",
    "engagement:action in (like, share)",
    "engagement:metadata.source=feed",
    "engagement:metadata.source!=feed",
    'engagement:metadata.source=""',
    "engagement:metadata.source>f",
    "engagement:metadata.source=1",
    'engagement:metadata.source="1"',
    "engagement:metadata.source>=1",
    "engagement:metadata.source<1.5",
    "engagement:metadata.source=true",
    "engagement:metadata.source!=true",
    "engagement:metadata.source exists",
    "engagement:metadata.source in (feed, 1.50, false)",
    "engagement:metadata.source.deeper exists",
    "engagement:metadata.nothing!=1",
    "purchase:amount>=20",
    "purchase:amount>20.00",
    "purchase:amount=0.1",
    "purchase:amount!=0.10",
    "purchase:amount<1e1",
    "purchase:amount in (0, 20.010)",
    "purchase:conversionPath=feed",
    "purchase:conversionPath!=feed",
    "purchase:conversionPath in (post, other)",
    "purchase:conversionPath exists",
]


@pytest.fixture(scope="module")
async def stores(module_database_url: str) -> AsyncIterator[Stores]:
    """Some hundred events of every kind."""
    moments = [START + timedelta(hours=hour) for hour in range(12)]
    histories = make_histories(1, 150, moments=moments, received_at=START + timedelta(days=1))
    async with open_stores(module_database_url, histories) as opened:
        yield opened


@pytest.mark.parametrize("text", STEPS)
async def test_a_step_finds_the_events_that_its_definition_names(stores: Stores, text: str) -> None:
    """Every operator on every kind of field, missing ones included."""
    pattern = parse_step(text, "step", any_event=True)
    expected = sorted(event.event_id for event in stores.events if matches(pattern, event))
    parameters = Parameters()
    sql = f"SELECT event_id::text AS id FROM analytics_events WHERE {pattern_sql(pattern, parameters)} ORDER BY id"
    for rows in await stores.ask_both(Query(sql, tuple(parameters.list))):
        assert [row["id"] for row in rows] == expected


def test_the_steps_above_are_worth_asking(stores: Stores) -> None:
    """Nearly every one of them finds some events and misses others."""
    found = {
        text: sum(matches(parse_step(text, "", any_event=True), event) for event in stores.events) for text in STEPS
    }
    assert {text for text, count in found.items() if count == 0} == {
        ":userAgent exists",
        "view:viewDuration!=5",
        "view:referrer exists",
        "engagement:metadata.source.deeper exists",
        "engagement:metadata.nothing!=1",
    }
    assert [text for text, count in found.items() if count == len(stores.events)] == ["", ":schemaVersion>=1.1.0"]


@pytest.mark.parametrize("name", ["platform", "device.os", "contentType", "metadata.source"])
async def test_a_field_is_read_alike(stores: Stores, name: str) -> None:
    """As text; a number as it prints, a missing value and null as nothing."""
    path = parse_field(name, "breakdown", ("view", "engagement", "purchase"))
    parameters = Parameters()
    sql = f"SELECT event_id::text AS id, {text_sql(path, parameters)} AS value FROM analytics_events ORDER BY id"

    def text_of(event: Happening) -> str | None:
        value = value_at(path, event)
        return str(value).lower() if isinstance(value, bool) else None if value is None else str(value)

    expected = sorted((event.event_id, text_of(event)) for event in stores.events)
    for rows in await stores.ask_both(Query(sql, tuple(parameters.list))):
        assert [(row["id"], row["value"]) for row in rows] == expected
