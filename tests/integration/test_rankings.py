"""Rankings and samples of sessions in rollups: exact while all fits, bounded and honest beyond."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest

from storage.postgres.database import Connection, Database
from storage.rollups import Timeframe, drop_hours_and_days, fold, rebuild, verify
from storage.rollups.forms.ranking import Ranking
from storage.rollups.forms.session_sample import estimate_sessions
from storage.rollups.totals import Totals, TotalsSource, sum_rollups
from tests.integration.folded import EVER, purge, store
from tests.rows import NOON, make_row

HOUR = timedelta(hours=1)
MONTH = Timeframe.MONTH.start_of(NOON)


async def read_month(sql: Connection) -> Totals:
    """Read what the rollups of the month hold, frozen and live."""
    return await sum_rollups(sql, [TotalsSource(MONTH, Timeframe.MONTH, MONTH, Timeframe.MONTH.end_of(MONTH))])


def view(content: str, *, hour: int = 0, **values: object) -> tuple[object, ...]:
    """Make a view of a content."""
    data = f'{{"contentType":"post","contentId":"{content}"}}'
    return make_row(event_data=data, timestamp=NOON + hour * HOUR, **values)


async def test_contents_and_paths_are_ranked(database: Database, sql: Connection) -> None:
    """Most frequent first, over hours; a path by currency, with its exact revenue; what names none is left aside."""
    path = '"conversionPath":["home","cart"]'
    await store(
        database,
        view("b"),
        view("a", hour=1),
        view("b", hour=2),
        make_row(event_data="{}"),
        *(
            make_row(event_type="purchase", event_data=f'{{"amount":{amount},"currency":"{currency}",{path}}}')
            for amount, currency in (("0.10", "EUR"), ("0.20", "EUR"), ("7", "USD"))
        ),
        make_row(event_type="purchase", event_data='{"amount":5,"currency":"EUR"}'),
    )
    await fold(database)
    assert (await read_month(sql)).rankings == {
        (MONTH, "content"): Ranking(("post", "post"), ("b", "a"), (2, 1), (None, None), 0),
        (MONTH, "paths"): Ranking(
            ("EUR", "USD"), ('["home", "cart"]', '["home", "cart"]'), (2, 1), (Decimal("0.30"), Decimal(7)), 0
        ),
    }


async def test_a_full_ranking_tells_how_far_it_may_be_wrong(
    database: Database, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the true counts none is below the one told, or above it by more than the error, at any length of period."""
    monkeypatch.setattr("storage.rollups.forms.ranking.MAX_RANKED", 3)
    views = [(f"c{n * n % 17}", n % 4) for n in range(120)]
    await store(database, *(view(content, hour=hour) for content, hour in views))
    await fold(database)
    expected = Counter(content for content, _ in views)
    ranking = (await read_month(sql)).rankings[MONTH, "content"]
    told = dict(zip(ranking.names, ranking.counts, strict=True))
    assert len(told) == 3
    assert 0 < ranking.error < len(views)
    for content, count in expected.items():
        assert told.get(content, 0) <= count <= told.get(content, 0) + ranking.error
    assert (await verify(database, *EVER)).differences == []


async def test_rankings_and_samples_outlive_what_they_were_made_of(database: Database, sql: Connection) -> None:
    """Through the purge of raw events, hours and days, and with late events of them."""
    for turn in range(1, 4):
        await store(database, view("a", session_id=f"s{turn}"), view("a", session_id="s0", hour=turn))
        await fold(database)
        assert (await verify(database, *EVER)).differences == []
        await purge(database, sql, NOON)
        await drop_hours_and_days(database, hours_before=EVER[1], days_before=EVER[1])
        totals = await read_month(sql)
        assert totals.rankings[MONTH, "content"].counts == (2 * turn,)
        assert estimate_sessions(totals.samples[MONTH]) == (turn + 1, (turn - 1) * HOUR.seconds * 1e6, True)
    for table in ("analytics_rankings", "analytics_session_samples"):
        left = await sql.fetch(f"SELECT DISTINCT timeframe, frozen FROM {table} ORDER BY 1")
        assert [tuple(row) for row in left] == [("month", True), ("week", True)]


async def test_many_sessions_are_sampled(database: Database, sql: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same sample from raw events and from parts; those without a session id as well."""
    monkeypatch.setattr("storage.rollups.forms.session_sample.MAX_KEYS", 50)
    await store(
        database,
        *(
            make_row(user_id=f"u{n % 300}", session_id=None if n % 3 else f"s{n % 300}", timestamp=NOON + n % 7 * HOUR)
            for n in range(900)
        ),
    )
    await fold(database)
    assert (await verify(database, *EVER)).differences == []
    sample = (await read_month(sql)).samples[MONTH]
    figures = estimate_sessions(sample)
    assert len(set(sample.keys)) == 50
    assert not figures.is_exact
    # 100 sessions with an id, and three of each of the 200 users without.
    assert figures.sessions == pytest.approx(700, rel=0.5)


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE analytics_rankings SET counts = '{9}' WHERE timeframe = 'hour'",
        "DELETE FROM analytics_rankings WHERE timeframe = 'week'",
        "UPDATE analytics_session_samples SET lasts = '{9}' WHERE timeframe = 'day'",
        "DELETE FROM analytics_session_samples WHERE timeframe = 'hour'",
    ],
)
async def test_verify_finds_a_wrong_ranking_or_sample(database: Database, sql: Connection, tampering: str) -> None:
    """And rebuild mends it."""
    await store(database, view("a"))
    await fold(database)
    await sql.execute(tampering)
    assert (await verify(database, *EVER)).differences != []
    await rebuild(database, *EVER)
    assert (await verify(database, *EVER)).differences == []
