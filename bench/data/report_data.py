"""The events that reports are measured on: made by DuckDB, the same in each run, and stored as merged segments.

A month of five event types by users of which few do most; times have the rhythm of a day. All of it follows from the
number of an event, by multiplications modulo a prime: no random numbers.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa

from storage.segments.catalogue import SegmentChange
from storage.segments.files import write_segment
from storage.segments.places import TOP_LEVEL
from storage.segments.plans import buckets
from storage.segments.schema import ENVELOPE, TEXT, EventColumns
from storage.segments.store import SegmentStore

DAYS = 30
START = datetime(2026, 3, 1, tzinfo=UTC)
END = START + timedelta(days=DAYS)
EVENTS_PER_USER = 25
"""The mean; the busiest tenth of the users does about half of it."""

_EVENTS = """
CREATE TEMP TABLE happened AS
WITH numbered AS (
    SELECT
        i,
        -- Fractions that look random: multiples of a number modulo a prime of 31 bits.
        (i * 48271 % 2147483647) / 2147483647.0 AS a,
        (i * 69621 % 2147483647) / 2147483647.0 AS b,
        (i * 16807 % 2147483647 * 7919 % 2147483647) / 2147483647.0 AS c,
        (i * 40692 % 2147483647 * 6481 % 2147483647) / 2147483647.0 AS d
    FROM range(1, $events + 1) AS numbers(i)
), chosen AS (
    SELECT i, b, c, d, floor($users * pow(a, 1.8))::BIGINT AS user_number, (i - 1) * $days // $events AS day
    FROM numbered
)
SELECT
    i, c, d, day, user_number,
    (hash(user_number)::HUGEINT - 9223372036854775808)::BIGINT AS actor_hash,
    CASE WHEN b < 0.62 THEN 'view' WHEN b < 0.86 THEN 'engagement' WHEN b < 0.9 THEN 'purchase'
        WHEN b < 0.96 THEN 'stream' ELSE 'session' END AS event_type,
    -- Evenly over the days, and within a day more in the evening.
    $start + to_microseconds((day * 86400000000 + floor(86400000000 * sqrt(d)))::BIGINT) AS timestamp
FROM chosen
"""
_BUCKET = """
SELECT
    actor_hash,
    timestamp,
    i AS sequence,
    unhex(substr(md5(i::TEXT), 1, 12) || '4' || substr(md5(i::TEXT), 14, 3) || '8' || substr(md5(i::TEXT), 18))
        AS event_id,
    timestamp + INTERVAL 2 SECOND AS received_at,
    event_type,
    '1.1.0' AS schema_version,
    'user-' || user_number AS user_id,
    'session-' || user_number || '-' || day AS session_id,
    CASE WHEN c < 0.5 THEN 'ios' WHEN c < 0.8 THEN 'android' ELSE 'web' END AS platform,
    CASE WHEN event_type = 'view' THEN CASE WHEN d < 0.7 THEN 'post' ELSE 'product' END END AS "view.content_type",
    CASE WHEN event_type = 'view' THEN (floor(20000 * c * c)::INT)::TEXT END AS "view.content_id",
    CASE WHEN event_type = 'view' THEN round(60 * d, 1)::DOUBLE END AS "view.view_duration",
    CASE WHEN event_type = 'engagement' THEN CASE WHEN d < 0.8 THEN 'like' ELSE 'share' END END AS "engagement.action",
    CASE WHEN event_type = 'engagement' THEN 'post' END AS "engagement.target_type",
    CASE WHEN event_type = 'engagement' THEN (floor(20000 * c * c)::INT)::TEXT END AS "engagement.target_id",
    CASE WHEN event_type = 'purchase' THEN (floor(900 * c)::INT)::TEXT END AS "purchase.product_id",
    CASE WHEN event_type = 'purchase' THEN 'o-' || i END AS "purchase.order_id",
    CASE WHEN event_type = 'purchase' THEN round(5 + 95 * d, 2)::DECIMAL(38, 18) END AS "purchase.amount",
    CASE WHEN event_type = 'purchase' THEN CASE WHEN c < 0.8 THEN 'EUR' ELSE 'USD' END END AS "purchase.currency",
    CASE WHEN event_type = 'stream' THEN (floor(400 * c)::INT)::TEXT END AS "stream.stream_id",
    CASE WHEN event_type = 'stream' THEN 'join' END AS "stream.action",
    CASE WHEN event_type = 'stream' THEN floor(500 * d)::INT END AS "stream.viewer_count",
    CASE WHEN event_type = 'session' THEN 'start' END AS "session.action"
FROM happened
WHERE actor_hash BETWEEN $low AND $high
ORDER BY actor_hash, timestamp, sequence
"""


def make_tables(events: int, known: EventColumns) -> Iterator[pa.Table]:
    """Make so many events, in sorted tables of some million rows each: one for each range of actors."""
    types = {column.name: column.type for columns in known.structs.values() for column in columns} | dict(ENVELOPE)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            _EVENTS, {"events": events, "users": events // EVENTS_PER_USER, "days": DAYS, "start": START}
        )
        for bucket in buckets(events):
            found = connection.sql(_BUCKET, params={"low": bucket.low, "high": bucket.high}).to_arrow_table()
            columns = {}
            for name in found.column_names:
                column = found[name].combine_chunks()
                columns[name] = column.dictionary_encode() if types[name] == TEXT else column.cast(types[name])
            yield pa.table(columns)


async def store_events(store: SegmentStore, events: int) -> int:
    """Store so many events as segments that are merged already; return their bytes."""
    size_bytes, ids = 0, []
    for table in make_tables(events, store.known):
        file = write_segment(table)
        size_bytes += len(file.data)
        ids.append(await store.catalogue.write(file, TOP_LEVEL, copied_rows=file.rows))
    await store.catalogue.change(SegmentChange(published=ids))
    return size_bytes
