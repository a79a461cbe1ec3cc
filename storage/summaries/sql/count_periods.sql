-- Tells what `drop_periods` would delete: how many aggregations, and the bytes of both tables.
-- $1 timeframe (text), $2 end (timestamptz)
-- Leans on the primary keys.
SELECT
    (SELECT count(*) FROM analytics_aggregations WHERE timeframe = $1 AND timestamp < $2) AS rows,
    CAST(
        (SELECT coalesce(sum(pg_column_size(summary.*)), 0)
        FROM analytics_summaries AS summary WHERE timeframe = $1 AND timestamp < $2)
        + (SELECT coalesce(sum(pg_column_size(aggregation.*)), 0)
        FROM analytics_aggregations AS aggregation WHERE timeframe = $1 AND timestamp < $2)
    AS bigint) AS bytes
