-- Lists the hours until some time with events that their rollups lack: how many by type, the transactions that have
-- written them, and between which times they lie (null where they cannot be told from those that are folded).
-- $1 end (timestamptz)
-- Events are stored by the transaction that queues their delta, so they have its xmin. They are told apart where that finds
-- as many as the deltas say: no events were removed, and none were written under a savepoint. An hour without a rollup has
-- nothing to be told from.
-- The queue is short, and read whole; leans on the partitions' bounds and the index (event_type, timestamp).
WITH deltas AS MATERIALIZED (
    SELECT hour, event_type, xmin AS transaction, CAST(CAST(xmin AS text) AS bigint) AS number, count
    FROM analytics_aggregation_deltas
    WHERE hour < $1
), types AS (
    SELECT hour, event_type, CAST(sum(count) AS bigint) AS count, min(count) AS least
    FROM deltas
    GROUP BY hour, event_type
), hours AS (
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
), transactions AS (
    SELECT hour, array_agg(transaction) AS transactions
    FROM (SELECT hour, transaction FROM deltas GROUP BY hour, transaction) AS written
    GROUP BY hour
)
SELECT
    hour,
    event_types,
    counts,
    transactions,
    CASE WHEN found.count = hours.count AND found.of_hour = hours.count THEN found.first_at END AS first_at,
    found.last_at
FROM hours
JOIN transactions USING (hour)
CROSS JOIN LATERAL (
    SELECT
        count(*) AS count,
        count(*) FILTER (
            WHERE (CAST(CAST(transaction AS text) AS bigint), hours.hour) IN (SELECT number, hour FROM deltas)
        ) AS of_hour,
        min(timestamp) AS first_at,
        max(timestamp) AS last_at
    FROM (
        SELECT
            timestamp,
            xmin AS transaction,
            xmin IN (SELECT transaction FROM deltas) AS is_unfolded
        FROM analytics_events
        WHERE is_comparable AND timestamp >= hours.hour AND timestamp < hours.hour + INTERVAL '1 hour'
        OFFSET 0
    ) AS events
    WHERE is_unfolded
) AS found
