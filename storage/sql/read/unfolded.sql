-- Sums what no rollup holds yet: how many events, and the oldest hour that they lie in (null for none).
-- The queue is short, and read whole.
SELECT CAST(coalesce(sum(abs(count)), 0) AS bigint) AS events, min(hour) AS oldest_hour
FROM analytics_aggregation_deltas
