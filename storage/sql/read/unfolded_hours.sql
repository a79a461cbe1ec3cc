-- Lists the hours of a range that have events which their rollups lack, or may have, and how many.
-- $1 start, $2 end (timestamptz, half-open)
-- The queue is short, and read whole.
SELECT hour, CAST(sum(count) AS bigint) AS count
FROM analytics_aggregation_deltas
WHERE hour >= $1 AND hour < $2
GROUP BY hour
