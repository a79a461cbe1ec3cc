-- Counts the rollups of a timeframe before a moment.
-- $1 timeframe, $2 end (timestamptz)
-- Leans on the primary key.
SELECT count(*) AS rows, CAST(coalesce(sum(pg_column_size(rollup.*)), 0) AS bigint) AS bytes
FROM analytics_aggregations AS rollup
WHERE timeframe = $1 AND timestamp < $2
