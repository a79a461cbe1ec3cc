-- Tells whether some raw events of a range have aged out: whether frozen rollups stand for them. And whether the hour that
-- it ends in has raw events after its end.
-- $1, $2, $3 first moments of the hour, day and month that the range begins in; $4 its end; $5 end of the hour that it ends
-- in (timestamptz)
-- A month is also frozen for days before the range, as long as days are left that are older.
-- Leans on the primary key.
WITH frozen AS (
    SELECT timeframe, timestamp
    FROM analytics_distinct_sketches
    WHERE frozen
), oldest AS (
    SELECT min(timestamp) AS day
    FROM frozen
    WHERE timeframe = 'day'
)
SELECT
    EXISTS (SELECT 1 FROM frozen WHERE timeframe = 'hour' AND timestamp >= $1::timestamptz AND timestamp < $4::timestamptz)
    OR EXISTS (SELECT 1 FROM frozen WHERE timeframe = 'day' AND timestamp >= $2::timestamptz AND timestamp < $4)
    OR EXISTS (
        SELECT 1
        FROM frozen, oldest
        WHERE timeframe = 'month' AND timestamp >= $3::timestamptz AND timestamp < $4
            AND (oldest.day IS NULL OR $1 < oldest.day)
    ) AS aged_out,
    EXISTS (SELECT 1 FROM analytics_events WHERE timestamp >= $4 AND timestamp < $5::timestamptz) AS goes_on
