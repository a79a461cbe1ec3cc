"""First sights: when each actor was seen first, and how many were in each hour.

They are no rollups: a day's new actors are those of its hours, and they outlive the raw events, so that who comes back
after these have aged out is not new. Actors are known by a hash of their id.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from storage.postgres.database import Connection
from storage.rollups.periods import spans_of
from storage.sql import statement


class WrongHour(NamedTuple):
    """An hour whose first sights are not as they should be.

    Attributes:
        hour: which one.
        wrong: of how many actors the first sight is missing, too late, or from an event that is not there.
        sights: how many there are.
        counted: how many are counted.
    """

    hour: datetime
    wrong: int
    sights: int
    counted: int


async def see_actors(connection: Connection, hours: Sequence[datetime]) -> None:
    """Bring first sights up to date with the raw events of these ascending hours.

    An event earlier than what was known moves an actor's first sight; where the event it is known from is gone, the
    next one takes its place, unless some events of that hour have aged out.
    """
    complete = await read_complete_hours(connection, hours)
    changed = set(hours)
    vanished: list[int] = []
    for start, end in spans_of(hours):
        row = await connection.fetchrow(statement("rollup/see_actors"), start, end, complete)
        assert row is not None  # noqa: S101 - the statement always answers one row
        changed.update(row["hours"])
        vanished += row["vanished"]
    if vanished:
        changed.update(row["hour"] for row in await connection.fetch(statement("rollup/find_actors"), vanished))
    await connection.execute(statement("rollup/count_new_actors"), sorted(changed))


async def find_wrong_hours(
    connection: Connection, hours: Sequence[datetime], unfolded: Collection[datetime]
) -> list[WrongHour]:
    """Compare the first sights of the ascending hours of one day with its raw events, but for unfolded hours."""
    asked = [hour for hour in hours if hour not in unfolded]
    complete = await read_complete_hours(connection, asked)
    wrong = []
    for start, end in spans_of(asked):
        rows = await connection.fetch(
            statement("rollup/check_sights"), start, end, [hour for hour in asked if start <= hour < end], complete
        )
        wrong += [WrongHour(**row) for row in rows]
    return wrong


async def read_complete_hours(connection: Connection, hours: Sequence[datetime]) -> list[datetime]:
    """List those hours of which no raw event has aged out."""
    return [row["hour"] for row in await connection.fetch(statement("rollup/complete_hours"), hours)]
