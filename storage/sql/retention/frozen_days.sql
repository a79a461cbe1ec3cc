-- Lists old days that have rollups of a timeframe, all of them frozen and without parts: nothing will change them.
-- $1 timeframe, $2 the timeframe of its parts (text; null: raw events, without which all is frozen),
-- $3 end (timestamptz)
-- Leans on the primary key.
WITH days AS (
    SELECT date_bin(INTERVAL '1 day', timestamp, TIMESTAMPTZ '1970-01-01 00:00+00') AS time, bool_and(frozen) AS frozen
    FROM analytics_aggregations
    WHERE timeframe = $1 AND timestamp < $3
    GROUP BY time
)
SELECT time
FROM days
WHERE frozen AND NOT EXISTS (
    SELECT 1
    FROM analytics_aggregations AS part
    WHERE part.timeframe = $2 AND part.timestamp >= days.time AND part.timestamp < days.time + INTERVAL '24 hours'
)
ORDER BY time
