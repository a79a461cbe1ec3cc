"""The events that jobs and the dashboard are measured on: made by SQL inside Postgres, the same in each run.

All five types, by users of which few do most, evenly over the time. A third of the users send no session ids. The more
events there are, the more users and contents.
"""

from datetime import datetime, timedelta

from storage.partitions import Partitions, day_of
from storage.postgres.database import Database

EVENTS_PER_USER = 25
EVENTS_PER_CONTENT = 500

_MAKE = """
WITH numbered AS (
    SELECT
        number,
        CAST($2 AS timestamptz) + number * (CAST($3 AS timestamptz) - CAST($2 AS timestamptz)) / ($1 + 1) AS moment,
        -- Fractions that look random: multiples of a number modulo a prime of 31 bits.
        (number * 48271 % 2147483647) / CAST(2147483647 AS double precision) AS a,
        (number * 69621 % 2147483647) / CAST(2147483647 AS double precision) AS b,
        (number * 16807 % 2147483647 * 7919 % 2147483647) / CAST(2147483647 AS double precision) AS c,
        (number * 40692 % 2147483647 * 6481 % 2147483647) / CAST(2147483647 AS double precision) AS d
    FROM generate_series(1, CAST($1 AS bigint)) AS number
), happened AS (
    SELECT
        number, moment, c, d,
        CAST(floor($4 * power(a, 1.8)) AS bigint) AS user_number,
        CAST(floor($5 * c * c) AS bigint) AS content,
        CASE WHEN b < 0.62 THEN 'view' WHEN b < 0.86 THEN 'engagement' WHEN b < 0.9 THEN 'purchase'
            WHEN b < 0.96 THEN 'stream' ELSE 'session' END AS event_type
    FROM numbered
), made AS (
    INSERT INTO analytics_events (event_id, timestamp, received_at, sequence, event_type, schema_version, actor_id,
        user_id, session_id, platform, event_data)
    SELECT
        gen_random_uuid(), moment, moment, 0, event_type, '1.1.0', 'user-' || user_number, 'user-' || user_number,
        CASE WHEN user_number % 3 > 0 THEN 'session-' || user_number || '-' || date_part('day', moment) END,
        CASE WHEN c < 0.5 THEN 'ios' WHEN c < 0.8 THEN 'android' ELSE 'web' END,
        CASE event_type
            WHEN 'view' THEN jsonb_build_object('contentType', CASE WHEN d < 0.7 THEN 'post' ELSE 'product' END,
                'contentId', CAST(content AS text), 'viewDuration', round(CAST(60 * d AS numeric), 1))
            WHEN 'engagement' THEN jsonb_build_object('action', CASE WHEN d < 0.8 THEN 'like' ELSE 'share' END,
                'targetType', 'post', 'targetId', CAST(content AS text))
            WHEN 'purchase' THEN jsonb_build_object('productId', CAST(floor(900 * c) AS text), 'orderId', 'o' || number,
                'amount', round(CAST(5 + 95 * d AS numeric), 2),
                'currency', CASE WHEN c < 0.8 THEN 'EUR' ELSE 'USD' END,
                'conversionPath', jsonb_build_array('feed', 'step-' || CAST(floor(30 * c * c) AS text), 'checkout'))
            WHEN 'stream' THEN jsonb_build_object('streamId', CAST(floor(400 * c) AS text), 'action', 'join',
                'viewerCount', floor(500 * d), 'watchDuration', floor(900 * c))
            ELSE jsonb_build_object('action', 'start')
        END
    FROM happened
    RETURNING timestamp, event_type
)
INSERT INTO analytics_aggregation_deltas (hour, event_type, count, first_at, last_at)
SELECT date_trunc('hour', timestamp, 'UTC') AS hour, event_type, count(*), min(timestamp), max(timestamp)
FROM made GROUP BY 1, 2
"""
"""Stores $1 events between $2 and $3 of $4 users and $5 contents, and their deltas; the key ledger plays no part in
what is measured."""


async def make_events(
    database: Database, count: int, start: datetime, end: datetime, *, among: int | None = None
) -> None:
    """Store events, spread evenly over [start, end).

    Args:
        database: where to.
        count: how many.
        start: first moment.
        end: first moment after.
        among: how many events there are then altogether, from which the numbers of users and contents follow; `count`
            where missing.
    """
    days = [day_of(start) + timedelta(days=number) for number in range((day_of(end) - day_of(start)).days + 1)]
    await Partitions(database).ensure(days)
    total = among or count
    connection = await database.address.connect("bench")
    try:
        await connection.execute(
            _MAKE, count, start, end, max(1, total // EVENTS_PER_USER), max(1, total // EVENTS_PER_CONTENT)
        )
    finally:
        await connection.close()
