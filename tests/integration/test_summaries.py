"""Summaries: what they hold, and that they hold it after late events, ageing, tampering and folds at once."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import orjson
import pytest

from storage.postgres.database import Connection
from storage.summaries import folding
from storage.summaries.codec import SummaryError, UnknownSummaryFormatError
from storage.summaries.folding import PreparedFold, apply_fold, prepare_fold
from storage.summaries.horizon import lock_horizon
from storage.summaries.parts import add_up_periods
from storage.summaries.periods import DAY, Period, Timeframe
from storage.summaries.reading import SummaryMemory, read_summaries
from tests.event_tables import make_table
from tests.integration.summary_stage import EVER, MIDNIGHT, SummaryStage
from tests.rows import NOON, make_row
from tests.summaries_by_hand import summarise_by_hand

HOUR = timedelta(hours=1)
MONTH = Timeframe.MONTH.start_of(NOON)
LATEST = {"receivedAt": round((NOON + timedelta(seconds=1)).timestamp() * 1e6)}


async def test_a_row_holds_what_sql_tools_add_up(stage: SummaryStage, sql: Connection) -> None:
    """Platforms, revenue and orders by currency, durations, viewers and started sessions; amounts stay exact."""
    await stage.store_and_fold(
        make_row(event_data='{"contentType":"post","contentId":"p","viewDuration":1.5}', platform="ios"),
        make_row(event_data='{"contentType":"post","contentId":"p","viewDuration":2}', platform=None),
        make_row(),
        make_row(event_type="purchase", event_data='{"amount":0.10,"currency":"EUR"}'),
        make_row(event_type="purchase", event_data='{"amount":0.20,"currency":"EUR"}'),
        make_row(event_type="purchase", event_data='{"amount":99999999999999999.99,"currency":"USD"}'),
        make_row(event_type="stream", event_data='{"streamId":"s","action":"leave","watchDuration":60}'),
        make_row(event_type="stream", event_data='{"streamId":"s","action":"join","viewerCount":7}', platform="ios"),
        make_row(event_type="stream", event_data='{"streamId":"t","action":"join","viewerCount":5}'),
        make_row(event_type="session", event_data='{"action":"start"}'),
        make_row(event_type="session", event_data='{"action":"end"}'),
    )
    rows = await sql.fetch("SELECT event_type, count, metadata FROM analytics_aggregations WHERE timeframe = 'hour'")
    held = {row["event_type"]: (row["count"], row["metadata"]) for row in rows}
    assert {name: (count, orjson.loads(metadata)) for name, (count, metadata) in held.items()} == {
        "view": (
            3,
            {"platforms": {"ios": 1, "web": 1, "": 1}, "viewDuration": {"sum": 3.5, "count": 2}, "max": LATEST},
        ),
        "purchase": (
            3,
            {
                "platforms": {"web": 3},
                "orders": {"EUR": 2, "USD": 1},
                "revenue": {"EUR": 0.3, "USD": 99999999999999999.99},
                "max": LATEST,
            },
        ),
        "stream": (
            3,
            {
                "platforms": {"web": 2, "ios": 1},
                "watchDuration": {"sum": 60, "count": 1},
                "viewers": {"sum": 12, "count": 2},
                "max": {"viewers": 7, **LATEST},
            },
        ),
        "session": (2, {"platforms": {"web": 2}, "sessions": {"started": 1}, "max": LATEST}),
    }
    assert "99999999999999999.99" in held["purchase"][1]
    assert await sql.fetchval(
        "SELECT (metadata #>> '{revenue,EUR}')::numeric = 0.3 FROM analytics_aggregations "
        "WHERE timeframe = 'month' AND event_type = 'purchase'"
    )


async def test_days_weeks_and_months_are_sums_of_their_hours(stage: SummaryStage, sql: Connection) -> None:
    """Across the end of a year, where a week belongs to both."""
    new_year = datetime(2026, 1, 1, tzinfo=UTC)
    moments = [new_year - timedelta(microseconds=1), new_year, new_year + HOUR]
    rows = [make_row(timestamp=moment) for moment in moments]
    await stage.store_and_fold(*rows)
    assert await stage.counts("hour") == {(new_year + hours * HOUR, "view"): 1 for hours in (-1, 0, 1)}
    assert await stage.counts("day") == {(new_year - DAY, "view"): 1, (new_year, "view"): 2}
    assert await stage.counts("week") == {(datetime(2025, 12, 29, tzinfo=UTC), "view"): 3}
    assert await stage.counts("month") == {(datetime(2025, 12, 1, tzinfo=UTC), "view"): 1, (new_year, "view"): 2}
    metadata = await sql.fetchval("SELECT metadata FROM analytics_aggregations WHERE timeframe = 'week'")
    assert orjson.loads(metadata) == {"platforms": {"web": 3}, "max": LATEST}
    expected = add_up_periods(summarise_by_hand(rows))
    for timeframe in Timeframe:
        found = await stage.summaries(timeframe)
        assert {Period(timeframe, start): summary for start, summary in found.items()}.items() <= expected.items()
        assert len(found) == sum(period.timeframe is timeframe for period in expected)


async def test_a_fold_adds_each_event_once(stage: SummaryStage) -> None:
    """Late ones to their hours; a merge of what is summarised adds nothing, and what is not folded is not in."""
    await stage.store_and_fold(make_row())
    await stage.store_and_fold(make_row(), make_row(timestamp=NOON - 9 * DAY))
    assert await stage.counts("hour") == {(NOON, "view"): 2, (NOON - 9 * DAY, "view"): 1}
    await stage.store(make_row())
    await stage.seal()
    assert not await stage.differences()
    assert await stage.fold()
    assert not await stage.fold()
    assert await stage.counts("month") == {(MONTH, "view"): 4}
    segments = await stage.segments.catalogue.list_segments()
    assert len(segments) == 3
    assert all(segment.is_summarised for segment in segments)
    assert not await stage.differences()


async def commit_fold(connection: Connection, prepared: PreparedFold) -> None:
    """Fold in a transaction of its own."""
    async with connection.transaction():
        await apply_fold(connection, prepared)


async def test_two_folds_at_once_both_count(stage: SummaryStage, sql: Connection, database_url: str) -> None:
    """The second waits for the first, whether or not that is committed."""
    other = await asyncpg.connect(database_url)
    try:
        for is_kept in (True, False):
            await sql.execute("TRUNCATE analytics_summaries, analytics_aggregations, analytics_first_sights")
            first, second = (
                prepare_fold([make_table([make_row(user_id=user), make_row(user_id="both")])]) for user in "ab"
            )
            transaction = sql.transaction()
            await transaction.start()
            await apply_fold(sql, first)
            waiting = asyncio.create_task(commit_fold(other, second))
            while not await sql.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.01)
            await (transaction.commit() if is_kept else transaction.rollback())
            await waiting
            assert await stage.counts("hour") == {(NOON, "view"): 4 if is_kept else 2}
            assert (await stage.summary(Timeframe.MONTH, MONTH)).users == (3 if is_kept else 2)
            assert await sql.fetchval("SELECT count(*) FROM analytics_first_sights") == (3 if is_kept else 2)
    finally:
        await other.close()


async def test_a_lost_merge_adds_nothing(stage: SummaryStage) -> None:
    """Two servers merge the same segments: one is first."""
    await stage.store(make_row(), make_row())
    await stage.seal()
    results = await asyncio.gather(stage.fold(), stage.fold())
    assert sorted(results) == [False, True]
    assert await stage.counts("hour") == {(NOON, "view"): 2}
    assert not await stage.differences()


async def test_many_small_parts_are_put_together(stage: SummaryStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """All but a large one, so that what is late does not cost what its hour weighs."""
    hour = Period(Timeframe.HOUR, NOON)
    rows = [make_row(user_id=f"u{n}", session_id=f"s{n}") for n in range(800)]
    await stage.store_and_fold(*rows)
    (large,) = await stage.sql.fetch("SELECT version FROM analytics_summaries WHERE timeframe = 'hour'")
    most = 0
    for number in range(2 * folding.MANY_PARTS):
        late = make_row(user_id="late", event_data=f'{{"viewDuration":{number}}}')
        rows.append(late)
        await stage.store_and_fold(late)
        most = max(most, await stage.parts(hour))
        await stage.keeper.compact()
    assert most == folding.MANY_PARTS
    assert (
        await stage.sql.fetchval("SELECT count(*) FROM analytics_summaries WHERE version = $1", large["version"]) == 1
    )
    assert (await stage.summaries(Timeframe.HOUR)) == summarise_by_hand(rows)
    assert not await stage.differences()
    monkeypatch.setattr(folding, "MANY_PARTS", 2)
    monkeypatch.setattr(folding, "LEAST_GAIN", 1000)
    assert await stage.keeper.compact() > 0
    assert await stage.keeper.compact() == 0
    assert await stage.parts(hour) == 1
    assert (await stage.summaries(Timeframe.HOUR)) == summarise_by_hand(rows)


async def test_a_dashboard_reads_what_has_changed_and_remembers_the_rest(stage: SummaryStage) -> None:
    """Each summary once, by the versions of its parts."""
    memory = SummaryMemory()
    ranges = [(Timeframe.HOUR, *EVER), (Timeframe.MONTH, *EVER)]

    async def read() -> tuple[int, dict[Period, Any]]:
        stored = await read_summaries(stage.sql, ranges, memory)
        return len(stored.fresh), await asyncio.to_thread(stored.sums, memory)

    assert await read() == (0, {})
    await stage.store_and_fold(make_row(), make_row(timestamp=NOON + HOUR))
    parts, sums = await read()
    assert parts == 3
    assert {period: summary.counts for period, summary in sums.items()} == {
        Period(Timeframe.HOUR, NOON): {"view": 1},
        Period(Timeframe.HOUR, NOON + HOUR): {"view": 1},
        Period(Timeframe.MONTH, MONTH): {"view": 2},
    }
    assert await read() == (0, sums)
    await stage.store_and_fold(make_row())
    parts, sums = await read()
    assert parts == 4  # both of the hour, both of the month
    assert sums[Period(Timeframe.MONTH, MONTH)].counts == {"view": 3}


async def test_what_has_aged_out_stays_counted(stage: SummaryStage) -> None:
    """Raw events leave their hours, hours their days, days their weeks and months; late events go on adding."""
    cut = MIDNIGHT + DAY
    for turn in range(1, 4):
        await stage.store_and_fold(make_row(user_id=f"u{turn}"), make_row(user_id="u0", timestamp=NOON + HOUR))
        await stage.purge(cut)
        assert await stage.segments.catalogue.list_segments() == []
        assert (await stage.counts("hour"))[NOON, "view"] == turn
        assert await stage.counts("day") == {(MIDNIGHT, "view"): 2 * turn}
        assert not await stage.differences()
    await stage.purge(cut, cut)
    assert await stage.counts("hour") == {}
    await stage.store_and_fold(make_row(user_id="u4"))
    assert await stage.counts("hour") == {}
    assert await stage.summaries(Timeframe.HOUR) == {}
    assert await stage.counts("day") == {(MIDNIGHT, "view"): 7}
    await stage.purge(cut, cut, cut)
    await stage.store_and_fold(make_row(user_id="u5"))
    assert await stage.counts("day") == {}
    assert await stage.summaries(Timeframe.DAY) == {}
    assert await stage.counts("month") == {(MONTH, "view"): 8}
    assert (await stage.summary(Timeframe.WEEK, MIDNIGHT - DAY)).users == 6
    assert not await stage.differences()


async def test_events_that_were_never_merged_are_counted_when_they_age(stage: SummaryStage) -> None:
    """Blocks, and small segments with younger events that stay."""
    await stage.store(make_row(), make_row(timestamp=NOON + 40 * DAY))
    await stage.seal()
    await stage.store(make_row())
    await stage.purge(MIDNIGHT + DAY)
    assert (await stage.counts("month"))[MONTH, "view"] == 2
    await stage.fold()
    assert sum((await stage.counts("month")).values()) == 3
    assert not await stage.differences()


TAMPERING = {
    "hour 2026-03-10 12:00 view": "UPDATE analytics_summaries SET data = $1 WHERE timeframe = 'hour'",
    "day 2026-03-10 00:00 view": "DELETE FROM analytics_summaries WHERE timeframe = 'day' AND $1::bytea IS NOT NULL",
    "week 2026-03-09 00:00 view": "UPDATE analytics_summaries SET data = $1 WHERE timeframe = 'week'",
    "month 2026-03-01 00:00 sample of sessions": "UPDATE analytics_summaries SET data = $1 WHERE timeframe = 'month'",
    "hour 2026-03-10 12:00 view in analytics_aggregations": (
        "UPDATE analytics_aggregations SET count = 7 WHERE timeframe = 'hour' AND $1::bytea IS NOT NULL"
    ),
    "day 2026-03-10 00:00 view in analytics_aggregations": (
        "UPDATE analytics_aggregations SET metadata = '{}' WHERE timeframe = 'day' AND $1::bytea IS NOT NULL"
    ),
    "hour 2026-03-10 12:00 ghost in analytics_aggregations": (
        "INSERT INTO analytics_aggregations SELECT timeframe, timestamp, 'ghost', 1, '{}' FROM analytics_aggregations "
        "WHERE timeframe = 'hour' AND $1::bytea IS NOT NULL"
    ),
}


@pytest.mark.parametrize("place", TAMPERING)
async def test_verify_finds_what_was_tampered_with_and_rebuild_mends_it(
    stage: SummaryStage, sql: Connection, place: str
) -> None:
    """A count, a sketch or sample, a missing part, a row too many; nothing else is called wrong afterwards."""
    await stage.store_and_fold(make_row(), make_row(session_id="other"))
    found = await stage.verify(NOON, NOON + HOUR)
    assert (found.events, found.summaries, found.differences) == (2, 4, [])
    wrong = [make_row(), make_row(session_id="wrong")]
    (part,) = (one for one in prepare_fold([make_table(wrong)]).parts if one.key.period.timeframe is Timeframe.HOUR)
    if "sample" not in place:
        (part,) = (
            one for one in prepare_fold([make_table(wrong[:1])]).parts if one.key.period.timeframe is Timeframe.HOUR
        )
    await sql.execute(TAMPERING[place], part.data)
    named = {
        f"{one.period.timeframe.value} {one.period.start:%Y-%m-%d %H:%M} {one.what}"
        for one in (await stage.verify(NOON, NOON + HOUR)).differences
    }
    assert place in named
    assert (await stage.rebuild(NOON, NOON + HOUR)).hours == 24
    assert not await stage.differences()
    assert await stage.counts("month") == {(MONTH, "view"): 2}


async def test_a_damaged_or_newer_summary_is_named(stage: SummaryStage, sql: Connection) -> None:
    """And made anew."""
    for change, error in (
        ("data = set_byte(data, 12, get_byte(data, 12) # 16)", SummaryError),
        ("format = 9", UnknownSummaryFormatError),
    ):
        await stage.store_and_fold(make_row())
        await sql.execute(f"UPDATE analytics_summaries SET {change} WHERE timeframe = 'day'")
        with pytest.raises(error, match="day 2026-03-10 00:00"):
            await stage.verify()
        await stage.rebuild()
        assert not await stage.differences()


async def test_a_damaged_summary_holds_up_no_other(
    stage: SummaryStage, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts of it are not put together, and nothing is lost."""
    monkeypatch.setattr(folding, "MANY_PARTS", 2)
    for _ in range(2):
        await stage.store_and_fold(make_row())
    await sql.execute("UPDATE analytics_summaries SET format = 9 WHERE timeframe = 'day'")
    assert await stage.keeper.compact() == 3
    assert await stage.keeper.compact() == 0
    assert [await stage.parts(Period(one, one.start_of(NOON))) for one in Timeframe] == [1, 2, 1, 1]
    await sql.execute("UPDATE analytics_summaries SET format = 1")
    assert not await stage.differences()


async def test_a_rebuild_keeps_what_it_cannot_make_anew(stage: SummaryStage) -> None:
    """Hours before the horizon, and weeks and months of which days were dropped."""
    days = [NOON + number * DAY for number in range(4)]
    await stage.store_and_fold(*(make_row(timestamp=day) for day in days))
    await stage.purge(MIDNIGHT + 2 * DAY)
    report = await stage.rebuild()
    assert (report.start, report.kept_periods) == (MIDNIGHT + 2 * DAY, 0)
    assert sum((await stage.counts("hour")).values()) == 4
    await stage.purge(MIDNIGHT + 2 * DAY, MIDNIGHT + 2 * DAY, MIDNIGHT + 2 * DAY)
    assert (await stage.rebuild(days[2], days[3])).kept_periods == 2
    assert await stage.counts("month") == {(MONTH, "view"): 4}
    assert not await stage.differences()


async def test_what_is_folded_during_a_rebuild_stays(stage: SummaryStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where its part was put together with others meanwhile."""
    await stage.store_and_fold(make_row())
    await stage.store_and_fold(make_row())
    happened: list[str] = []

    async def lock(connection: Connection) -> Any:
        if not happened:
            happened.append("fold")
            await stage.store_and_fold(make_row())
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(folding, "MANY_PARTS", 2)
                assert await stage.keeper.compact() > 0
        return await lock_horizon(connection)

    monkeypatch.setattr("storage.summaries.checking.rebuilding.lock_horizon", lock)
    await stage.rebuild()
    assert happened
    assert await stage.counts("hour") == {(NOON, "view"): 3}
    assert not await stage.differences()


async def test_folds_and_rebuilds_beside_writers_lose_nothing(stage: SummaryStage) -> None:
    """All the time, without a lease."""

    async def write(number: int) -> None:
        for turn in range(6):
            await stage.store(*(make_row(timestamp=NOON + (turn + number) % 5 * HOUR) for _ in range(3)))

    async def fold_often() -> None:
        for _ in range(4):
            await stage.fold()

    await asyncio.gather(*(write(number) for number in range(4)), fold_often(), fold_often(), stage.rebuild())
    await stage.fold()
    assert sum((await stage.counts("hour")).values()) == 72
    assert not await stage.differences()
