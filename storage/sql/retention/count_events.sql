-- Counts the raw events of a range that has no deltas, from its hours: live rollups are sums of what is stored.
-- $1 start, $2 end (timestamptz, half-open)
-- Leans on the primary key.
SELECT CAST(coalesce(sum(count), 0) AS bigint) AS events
FROM analytics_aggregations
WHERE timeframe = 'hour' AND NOT frozen AND timestamp >= $1 AND timestamp < $2
