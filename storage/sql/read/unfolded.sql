-- Sums what no rollup holds yet: how many events, in how many hours, the oldest and the newest (null for none).
-- The queue is short, and read whole.
SELECT
    CAST(coalesce(sum(abs(count)), 0) AS bigint) AS events,
    count(DISTINCT hour) AS hours,
    min(hour) AS oldest_hour,
    max(hour) AS newest_hour
FROM analytics_aggregation_deltas
