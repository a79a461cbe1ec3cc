"""First sights: who is new in an hour, after late events, folds at once, tampering and ageing."""

import asyncio
from datetime import timedelta

import numpy as np
import pytest

from storage.postgres.database import Connection, Database
from storage.summaries.horizon import read_horizon
from storage.summaries.periods import DAY, Span
from storage.summaries.sights import NO_SIGHTS, FirstSights, SightMemory, count_new, microseconds_of
from tests.integration.summary_stage import EVER, MIDNIGHT, SummaryStage
from tests.rows import ACTORS, NOON, make_row

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


async def test_an_actor_is_new_once(stage: SummaryStage) -> None:
    """In the hour of its first event, whichever fold sees it; without a user it is its session that is new."""
    await stage.store_and_fold(
        make_row(user_id="a"),
        make_row(user_id="a", timestamp=NOON + HOUR),
        make_row(user_id="b", timestamp=NOON + HOUR),
        make_row(user_id=None, session_id="s", timestamp=NOON + HOUR),
    )
    assert await stage.new_actors() == {NOON: 1, NOON + HOUR: 2}
    await stage.store_and_fold(make_row(user_id="b", timestamp=NOON + 2 * HOUR), make_row(user_id="c"))
    assert await stage.new_actors() == {NOON: 2, NOON + HOUR: 2}


async def test_an_event_of_nobody_is_counted_and_not_remembered(stage: SummaryStage, sql: Connection) -> None:
    """It cannot come back: summaries add such events up."""
    await stage.store_and_fold(*(make_row(user_id=None, session_id=None) for _ in range(3)), make_row())
    assert await stage.new_actors() == {NOON: 1}
    anonymous = "SELECT metadata #>> '{actors,anonymous}' FROM analytics_aggregations WHERE timeframe = 'month'"
    assert await sql.fetchval(anonymous) == "3"


async def test_a_late_event_moves_a_first_sight(stage: SummaryStage) -> None:
    """To an earlier hour, and out of the count of the later one; within an hour it only changes the moment."""
    await stage.store_and_fold(make_row(user_id="a"), make_row(user_id="b", timestamp=NOON + MINUTE))
    await stage.store_and_fold(make_row(user_id="a", timestamp=NOON - 3 * DAY))
    assert await stage.new_actors() == {NOON: 1, NOON - 3 * DAY: 1}
    await stage.store_and_fold(make_row(user_id="b"))
    assert await stage.new_actors() == {NOON: 1, NOON - 3 * DAY: 1}
    await stage.store_and_fold(make_row(user_id="b", timestamp=NOON - DAY))
    assert await stage.new_actors() == {NOON - DAY: 1, NOON - 3 * DAY: 1}
    assert not await stage.differences()


async def test_who_comes_back_after_their_events_have_aged_is_not_new(stage: SummaryStage) -> None:
    """First sights stay for good; late events of an aged hour add to it."""
    await stage.store_and_fold(make_row(user_id="a"), make_row(user_id="b"))
    await stage.purge(MIDNIGHT + DAY, MIDNIGHT + DAY, MIDNIGHT + DAY)
    await stage.store_and_fold(make_row(user_id="a", timestamp=NOON + 9 * DAY), make_row(user_id="c"))
    assert await stage.new_actors() == {NOON: 3}
    assert not await stage.differences()
    await stage.rebuild()
    assert await stage.new_actors() == {NOON: 3}


async def test_a_rebuild_finds_the_next_event_of_who_lost_the_first(stage: SummaryStage, sql: Connection) -> None:
    """In the same hour, in another one, before the rebuilt range, or none at all."""
    await stage.store_and_fold(
        make_row(user_id="a", timestamp=NOON + MINUTE),
        make_row(user_id="b", timestamp=NOON + 2 * DAY),
        make_row(user_id="c", timestamp=NOON - 2 * DAY),
    )
    names = ["a", "b", "c", "nobody"]
    for name in names:  # as though it had been seen in an event that was erased since
        await sql.execute(
            "INSERT INTO analytics_first_sights VALUES ($1, $2) ON CONFLICT (actor) DO UPDATE SET first_at = $2",
            ACTORS.of(name),
            NOON,
        )
    (difference,) = (await stage.verify(NOON, NOON + HOUR)).differences
    assert (difference.what, difference.period.start) == ("first sights", NOON)
    assert difference.stored.endswith("4 wrong or missing")
    await stage.rebuild(NOON, NOON + HOUR)
    sights = await sql.fetch("SELECT actor, first_at FROM analytics_first_sights")
    assert {row["actor"]: row["first_at"] for row in sights} == {
        ACTORS.of("a"): NOON + MINUTE,
        ACTORS.of("b"): NOON + 2 * DAY,
        ACTORS.of("c"): NOON - 2 * DAY,
    }


TAMPERING = (
    f"DELETE FROM analytics_first_sights WHERE actor = {ACTORS.of('a')}",
    f"UPDATE analytics_first_sights SET first_at = first_at + interval '9 days' WHERE actor = {ACTORS.of('b')}",
    f"UPDATE analytics_first_sights SET first_at = first_at - interval '1 hour' WHERE actor = {ACTORS.of('c')}",
    "INSERT INTO analytics_first_sights SELECT 7, first_at FROM analytics_first_sights LIMIT 1",
    "UPDATE analytics_new_actors SET count = count + 1",
)


async def test_verify_finds_wrong_first_sights_and_rebuild_mends_them(stage: SummaryStage, sql: Connection) -> None:
    """A missing one, a late one, an early one, one of nobody, and a wrong count."""
    await stage.store_and_fold(
        *(make_row(user_id=name, timestamp=NOON + HOUR) for name in "abcd"), make_row(user_id="e")
    )
    for change in TAMPERING:
        await sql.execute(change)
        assert {one.what for one in await stage.differences()} == {"first sights"}
        await stage.rebuild()
        assert not await stage.differences()
        assert await stage.new_actors() == {NOON: 1, NOON + HOUR: 4}


def sights_of(*seen: tuple[str, timedelta]) -> FirstSights:
    """Make the first sights of users, from noon on."""
    pairs = sorted((ACTORS.of(name), microseconds_of(NOON + after)) for name, after in seen)
    return FirstSights(np.array([actor for actor, _ in pairs]), np.array([first for _, first in pairs]))


async def test_new_actors_are_counted_to_the_last_event(stage: SummaryStage, database: Database) -> None:
    """Those of summaries, corrected by what is not summarised; in ranges that cut hours, and within one hour."""
    await stage.store_and_fold(
        make_row(user_id="a", timestamp=NOON + 10 * MINUTE),
        make_row(user_id="b", timestamp=NOON + 50 * MINUTE),
        make_row(user_id="c", timestamp=NOON + 3 * HOUR),
    )
    spans = [
        Span(*EVER),
        Span(NOON + 10 * MINUTE, NOON + 50 * MINUTE),
        Span(NOON + 11 * MINUTE, NOON + 3 * HOUR + MINUTE),
        Span(NOON, NOON + HOUR),
        Span(NOON + HOUR, NOON + 2 * HOUR),
    ]
    memory = SightMemory()

    async def count(sights: FirstSights) -> list[int]:
        async with database.acquire_reader(30) as connection, connection.transaction(isolation="repeatable_read"):
            folds = (await read_horizon(connection)).folds
            return await count_new(connection, spans, sights, memory, folds)

    assert await count(NO_SIGHTS) == [3, 1, 2, 2, 0]
    # One who is new, one whose first event is known already, and two whose first event is earlier than what is known.
    fresh = sights_of(("d", 70 * MINUTE), ("a", 20 * MINUTE), ("b", 5 * MINUTE), ("c", 61 * MINUTE))
    for _ in range(2):  # the second time from memory
        assert await count(fresh) == [4, 1, 2, 2, 2]
    await stage.store_and_fold(make_row(user_id="d", timestamp=NOON + 70 * MINUTE))
    assert await count(fresh) == [4, 1, 2, 2, 2]
    assert await count(sights_of(("d", 70 * MINUTE))) == [4, 1, 3, 2, 1]
    assert await count(sights_of(("d", -70 * MINUTE))) == [4, 1, 2, 2, 0]


async def test_two_folds_at_once_move_one_first_sight(stage: SummaryStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever is first."""
    monkeypatch.setattr("storage.summaries.sights.MOST_ACTORS", 2)
    for turn in range(3):
        await asyncio.gather(
            *(
                stage.store_and_fold(*(make_row(user_id=name, timestamp=NOON - (turn + late) * HOUR) for name in "abc"))
                for late in range(3)
            )
        )
        await stage.fold()
        assert await stage.new_actors() == {NOON - (turn + 2) * HOUR: 3}
    assert not await stage.differences()
