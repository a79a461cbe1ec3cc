-- Lists the days of a range that have a partition which takes events, or rollups of hours that are not frozen.
-- $1 start, $2 end (timestamptz, midnights, half-open)
-- Leans on the primary key of the rollups.
WITH partitioned AS (
    SELECT timezone('UTC', CAST(to_date(right(partition.relname, 8), 'YYYYMMDD') AS timestamp)) AS time
    FROM pg_inherits
    JOIN pg_class AS partition ON partition.oid = inhrelid
    WHERE inhparent = CAST('analytics_events' AS regclass) AND partition.relname ~ '^analytics_events_[0-9]{8}$'
), rolled_up AS (
    SELECT date_bin(INTERVAL '1 day', timestamp, TIMESTAMPTZ '1970-01-01 00:00+00') AS time
    FROM analytics_aggregations
    WHERE timeframe = 'hour' AND NOT frozen AND timestamp >= $1 AND timestamp < $2
)
SELECT time
FROM (SELECT time FROM partitioned UNION SELECT time FROM rolled_up) AS days
WHERE time >= $1 AND time < $2
    AND NOT EXISTS (SELECT 1 FROM analytics_closed_days WHERE day = CAST(timezone('UTC', days.time) AS date))
ORDER BY time
