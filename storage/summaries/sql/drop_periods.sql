-- Deletes the summaries and aggregations of a timeframe before a time; answers how many aggregations, and the bytes of both.
-- $1 timeframe (text), $2 end (timestamptz)
-- Leans on the primary keys.
WITH summaries AS (
    DELETE FROM analytics_summaries AS summary
    WHERE timeframe = $1 AND timestamp < $2
    RETURNING pg_column_size(summary.*) AS bytes
), aggregations AS (
    DELETE FROM analytics_aggregations AS aggregation
    WHERE timeframe = $1 AND timestamp < $2
    RETURNING pg_column_size(aggregation.*) AS bytes
)
SELECT
    (SELECT count(*) FROM aggregations) AS rows,
    CAST(
        (SELECT coalesce(sum(bytes), 0) FROM summaries) + (SELECT coalesce(sum(bytes), 0) FROM aggregations)
    AS bigint) AS bytes
