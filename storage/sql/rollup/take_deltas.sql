-- Takes the deltas of the oldest hours out of the queue; answers the hours.
-- $1 how many hours
-- The queue is short, and read whole.
WITH oldest AS (
    SELECT hour
    FROM analytics_aggregation_deltas
    GROUP BY hour
    ORDER BY hour
    LIMIT $1
), taken AS (
    DELETE FROM analytics_aggregation_deltas AS delta
    USING oldest
    WHERE delta.hour = oldest.hour
    RETURNING delta.hour, delta.count
)
SELECT hour, CAST(sum(count) AS bigint) AS count
FROM taken
GROUP BY hour
ORDER BY hour
