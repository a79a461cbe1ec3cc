"""The events that reports are measured on: made by DuckDB, the same in each run, and loaded into Postgres.

A month of five event types by users of which few do most; times have the rhythm of a day. All of it follows from the
number of an event, by multiplications modulo a prime: no random numbers, so Postgres and DuckDB see the same rows.
"""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import duckdb

from storage.partitions import Partitions
from storage.postgres.database import Database
from storage.write.batch import COLUMNS

DAYS = 30
START = datetime(2026, 3, 1, tzinfo=UTC)
END = START + timedelta(days=DAYS)
EVENTS_PER_USER = 25
"""The mean; the busiest tenth of the users does about half of it."""

_EVENTS = """
CREATE TABLE analytics_events AS
WITH numbered AS (
    SELECT
        i,
        -- Fractions that look random: multiples of a number modulo a prime of 31 bits.
        (i * 48271 % 2147483647) / 2147483647.0 AS a,
        (i * 69621 % 2147483647) / 2147483647.0 AS b,
        (i * 16807 % 2147483647 * 7919 % 2147483647) / 2147483647.0 AS c,
        (i * 40692 % 2147483647 * 6481 % 2147483647) / 2147483647.0 AS d
    FROM range(1, $events + 1) AS numbers(i)
), happened AS (
    SELECT
        i, c, d,
        floor($users * pow(a, 1.8))::BIGINT AS user_number,
        CASE WHEN b < 0.62 THEN 'view' WHEN b < 0.86 THEN 'engagement' WHEN b < 0.9 THEN 'purchase'
            WHEN b < 0.96 THEN 'stream' ELSE 'session' END AS event_type,
        -- Evenly over the days, and within a day more in the evening.
        $start + to_microseconds(
            (((i - 1) * $days // $events) * 86400000000 + floor(86400000000 * sqrt(d)))::BIGINT
        ) AS timestamp
    FROM numbered
)
SELECT
    (substr(md5(i::TEXT), 1, 12) || '4' || substr(md5(i::TEXT), 14, 3) || '8' || substr(md5(i::TEXT), 18))::UUID
        AS event_id,
    event_type,
    '1.1.0' AS schema_version,
    timestamp,
    timestamp + INTERVAL 2 SECOND AS received_at,
    NULL::TEXT AS timestamp_source,
    i AS sequence,
    'user-' || user_number AS actor_id,
    'user-' || user_number AS user_id,
    'session-' || user_number || '-' || ((i - 1) * $days // $events) AS session_id,
    CASE WHEN c < 0.5 THEN 'ios' WHEN c < 0.8 THEN 'android' ELSE 'web' END AS platform,
    NULL::TEXT AS user_agent,
    NULL::TEXT AS ip_address,
    NULL::JSON AS device,
    (CASE event_type
        WHEN 'view' THEN '{"contentType":"' || CASE WHEN d < 0.7 THEN 'post' ELSE 'product' END || '","contentId":"'
            || floor(20000 * c * c)::INT || '","viewDuration":' || round(60 * d, 1) || '}'
        WHEN 'engagement' THEN '{"action":"' || CASE WHEN d < 0.8 THEN 'like' ELSE 'share' END
            || '","targetType":"post","targetId":"' || floor(20000 * c * c)::INT || '"}'
        WHEN 'purchase' THEN '{"productId":"' || floor(900 * c)::INT || '","orderId":"o-' || i || '","amount":'
            || round(5 + 95 * d, 2) || ',"currency":"' || CASE WHEN c < 0.8 THEN 'EUR' ELSE 'USD' END || '"}'
        WHEN 'stream' THEN '{"streamId":"' || floor(400 * c)::INT || '","action":"join","viewerCount":'
            || floor(500 * d)::INT || '}'
        ELSE '{"action":"start"}' END)::JSON AS event_data
FROM happened
ORDER BY timestamp
"""


def write_events(path: Path, events: int) -> None:
    """Write so many events to a Parquet file, oldest first."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            _EVENTS, {"events": events, "users": events // EVENTS_PER_USER, "days": DAYS, "start": START}
        )
        connection.execute(f"COPY analytics_events TO '{path}' (FORMAT parquet, COMPRESSION zstd)")


async def load_postgres(database_url: str, path: Path) -> None:
    """Copy the events of a Parquet file into a migrated database; no statistics are gathered."""
    database = await Database.open(database_url)
    partitions = Partitions(database, now=lambda: END)
    await partitions.ensure({(START + timedelta(days=day)).date() for day in range(DAYS)})
    await database.close()
    connection = await asyncpg.connect(database_url)
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as duck:
        duck.execute("SET TimeZone = 'UTC'")
        for day in range(DAYS):
            csv = Path(folder, "day.csv")
            first = START + timedelta(days=day)
            duck.execute(
                f"COPY (SELECT {', '.join(COLUMNS)} FROM '{path}' WHERE timestamp >= TIMESTAMPTZ '{first}'"
                f" AND timestamp < TIMESTAMPTZ '{first + timedelta(days=1)}') TO '{csv}' (HEADER false)"
            )
            await connection.copy_to_table("analytics_events", source=csv, columns=list(COLUMNS), format="csv")
    await connection.close()
