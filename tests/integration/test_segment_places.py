"""The contract of every place for the bytes of segments; each place is another parameter of the fixture."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from storage.postgres.database import Connection, Database
from storage.segments import places
from storage.segments.errors import SegmentError, SegmentMissingError
from storage.segments.files import Range
from storage.segments.places import PostgresPlace, SegmentPlace
from tests.rows import NOON

LEVELS = (0, 1, 2)


@pytest.fixture(params=["postgres"])
async def place(request: pytest.FixtureRequest, database: Database, monkeypatch: pytest.MonkeyPatch) -> SegmentPlace:
    """A place, whose parts are small."""
    assert request.param == "postgres"
    monkeypatch.setattr(places, "PART_BYTES", 10)
    return PostgresPlace(database)


def spans(*bounds: tuple[int, int]) -> list[Range]:
    """Make ranges of starts and ends."""
    return [Range(start, end - start, 0) for start, end in bounds]


@pytest.mark.parametrize("level", LEVELS)
async def test_any_ranges_come_back_as_they_were_stored(place: SegmentPlace, level: int) -> None:
    """In the order in which they were asked for, over the bounds of parts."""
    data = bytes(range(95))
    key = place.key_of(uuid4(), level, NOON)
    assert key.startswith(f"{place.name}:")
    await place.put(key, data)
    bounds = [(0, 95), (0, 1), (94, 95), (9, 11), (10, 20), (5, 73), (0, 95)]
    assert await place.get(key, spans(*bounds)) == [data[start:end] for start, end in bounds]
    assert await place.get(key, []) == []


async def test_what_lies_past_the_end_is_cut_off(place: SegmentPlace) -> None:
    """The reader's checksums find it."""
    key = place.key_of(uuid4(), 0, NOON)
    await place.put(key, bytes(25))
    assert await place.get(key, spans((20, 40))) == [bytes(5)]


@pytest.mark.parametrize("level", LEVELS)
async def test_bytes_are_missing_before_they_are_stored_and_after_they_are_deleted(
    place: SegmentPlace, level: int
) -> None:
    """And deleting them again changes nothing."""
    key, other = place.key_of(uuid4(), level, NOON), place.key_of(uuid4(), level, NOON)
    await place.delete(key)
    with pytest.raises(SegmentMissingError):
        await place.get(key, spans((0, 1)))
    await place.put(key, b"abc")
    await place.put(other, b"def")
    await place.delete(key)
    await place.delete(key)
    with pytest.raises(SegmentMissingError):
        await place.get(key, spans((0, 1)))
    assert await place.get(other, spans((0, 3))) == [b"def"]


@pytest.mark.parametrize("level", LEVELS)
async def test_storing_again_and_at_once_changes_nothing(place: SegmentPlace, level: int) -> None:
    """As a writer does that has lost an answer."""
    keys = [place.key_of(uuid4(), level, NOON) for _ in range(4)]
    await asyncio.gather(*(place.put(key, bytes(range(30))) for key in keys for _ in range(2)))
    for key in keys:
        assert await place.get(key, spans((0, 30))) == [bytes(range(30))]


async def test_only_what_holds_nothing_is_given_back(place: SegmentPlace, sql: Connection) -> None:
    """The table of a month goes when its last segment went, also from the catalogue; writing makes it again."""
    keys = [place.key_of(uuid4(), 2, NOON + month * timedelta(days=31)) for month in range(3)]
    for key in keys:
        await place.put(key, b"abc")
    assert await place.tidy() == 0
    await place.delete(keys[0])
    await place.delete(keys[1])
    await sql.execute(
        "INSERT INTO analytics_segments (id, state, level, format, place, first_at, last_at, low_actor, high_actor, "
        "rows, bytes, is_summarised, copied_rows, checksum, sums, footer) "
        "VALUES (gen_random_uuid(), 'writing', 2, 1, $1, now(), now(), 0, 0, 1, 3, false, 0, '', '', '')",
        keys[1],
    )
    assert await place.tidy() == 1
    with pytest.raises(SegmentMissingError):
        await place.get(keys[0], spans((0, 1)))
    assert await place.get(keys[2], spans((0, 3))) == [b"abc"]
    await asyncio.gather(place.put(keys[0], b"def"), place.put(keys[1], b"ghi"), place.tidy())
    assert await place.get(keys[0], spans((0, 3))) == [b"def"]
    assert await place.get(keys[1], spans((0, 3))) == [b"ghi"]


async def test_a_key_of_another_place_is_refused_by_name(place: SegmentPlace) -> None:
    """It could name anything."""
    with pytest.raises(SegmentError, match="'postgres:x; DROP TABLE y'"):
        await place.get("postgres:x; DROP TABLE y", spans((0, 1)))
