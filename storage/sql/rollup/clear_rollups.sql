-- Deletes rollups with their sketches, rankings and samples; answers how many rows and bytes the rollups were.
-- $1 timeframe, $2 periods (timestamptz[]), $3 whether frozen (null: both)
-- Leans on the primary keys.
WITH sketches AS (
    DELETE FROM analytics_distinct_sketches
    WHERE timeframe = $1 AND timestamp = ANY ($2::timestamptz[]) AND ($3::boolean IS NULL OR frozen = $3)
), rankings AS (
    DELETE FROM analytics_rankings
    WHERE timeframe = $1 AND timestamp = ANY ($2::timestamptz[]) AND ($3::boolean IS NULL OR frozen = $3)
), samples AS (
    DELETE FROM analytics_session_samples
    WHERE timeframe = $1 AND timestamp = ANY ($2::timestamptz[]) AND ($3::boolean IS NULL OR frozen = $3)
), cleared AS (
    DELETE FROM analytics_aggregations AS rollup
    WHERE timeframe = $1 AND timestamp = ANY ($2::timestamptz[]) AND ($3::boolean IS NULL OR frozen = $3)
    RETURNING pg_column_size(rollup.*) AS bytes
)
SELECT count(*) AS rows, CAST(coalesce(sum(bytes), 0) AS bigint) AS bytes
FROM cleared
