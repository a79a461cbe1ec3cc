-- Lists the hours until some time with events that their rollups lack: how many by type, the transactions that have
-- written them, and the spans in which they lie, both ends included (null where they cannot be told from the others).
-- $1 end (timestamptz)
-- Events are stored by the transaction that queues their delta, so they have its xmin. Counting by xmin is valid where it
-- finds as many as the deltas say: no events were removed, and none were written under a savepoint. An hour without a
-- rollup has only unfolded events. Spans are those of the deltas, joined where less than a minute lies between them.
-- What is found is joined when all is found: the queue is empty after a fold, and Postgres may expect one row of it.
-- The queue is short, and read whole; leans on the partitions' bounds and the index (event_type, timestamp).
WITH deltas AS MATERIALIZED (
    SELECT
        hour,
        event_type,
        count,
        xmin AS transaction,
        CAST(CAST(xmin AS text) AS bigint) AS number,
        coalesce(first_at, hour) AS first_at,
        coalesce(last_at, hour + INTERVAL '1 hour' - INTERVAL '1 microsecond') AS last_at
    FROM analytics_aggregation_deltas
    WHERE hour < $1
), types AS (
    SELECT hour, event_type, CAST(sum(count) AS bigint) AS count, min(count) AS least
    FROM deltas
    GROUP BY hour, event_type
), hours AS MATERIALIZED (
    SELECT
        hour,
        array_agg(event_type) AS event_types,
        array_agg(count) AS counts,
        sum(count) AS count,
        min(least) > 0 AND EXISTS (
            SELECT 1
            FROM analytics_distinct_sketches
            WHERE timeframe = 'hour' AND timestamp = hour AND NOT frozen
        ) AS is_comparable
    FROM types
    GROUP BY hour
), transactions AS MATERIALIZED (
    SELECT hour, array_agg(transaction) AS transactions
    FROM (SELECT hour, transaction FROM deltas GROUP BY hour, transaction) AS written
    GROUP BY hour
), ordered AS (
    SELECT
        hour, first_at, last_at,
        max(last_at) OVER (
            PARTITION BY hour ORDER BY first_at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS reached_at
    FROM deltas
    JOIN hours USING (hour)
    WHERE is_comparable
), numbered AS (
    SELECT
        hour, first_at, last_at,
        count(*) FILTER (WHERE first_at > reached_at + INTERVAL '1 minute') OVER (
            PARTITION BY hour ORDER BY first_at ROWS UNBOUNDED PRECEDING
        ) AS place
    FROM ordered
), spans AS (
    SELECT hour, min(first_at) AS first_at, max(last_at) AS last_at
    FROM numbered
    GROUP BY hour, place
), found AS MATERIALIZED (
    SELECT
        hour,
        array_agg(first_at ORDER BY first_at) AS starts,
        array_agg(last_at ORDER BY first_at) AS ends,
        sum(events.count) AS count,
        sum(events.of_hour) AS of_hour
    FROM spans
    CROSS JOIN LATERAL (
        SELECT
            count(*) AS count,
            count(*) FILTER (
                WHERE (CAST(CAST(transaction AS text) AS bigint), spans.hour) IN (SELECT number, hour FROM deltas)
            ) AS of_hour
        FROM (
            SELECT xmin AS transaction, xmin IN (SELECT transaction FROM deltas) AS is_unfolded
            FROM analytics_events
            WHERE timestamp >= spans.first_at AND timestamp <= spans.last_at
            OFFSET 0
        ) AS stored
        WHERE is_unfolded
    ) AS events
    GROUP BY hour
)
SELECT hours.hour, event_types, counts, transactions, starts, ends
FROM hours
JOIN transactions USING (hour)
LEFT JOIN found ON found.hour = hours.hour AND found.count = hours.count AND found.of_hour = hours.count
ORDER BY hours.hour
