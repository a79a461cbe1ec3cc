-- Sums the unfolded deltas of a range by hour and type.
-- $1 start, $2 end (timestamptz, half-open)
-- The queue is short, and read whole.
SELECT hour AS time, event_type, CAST(sum(count) AS bigint) AS count
FROM analytics_aggregation_deltas
WHERE hour >= $1 AND hour < $2
GROUP BY hour, event_type
