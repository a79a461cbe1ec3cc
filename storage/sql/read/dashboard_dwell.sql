-- Adds up the measured durations of views, and finds their median, in seconds.
-- $1 start, $2 end (timestamptz)
-- Sum and count add up over ranges, the median does not.
-- Leans on the index (event_type, timestamp).
WITH views AS (
    SELECT (event_data -> 'viewDuration')::numeric AS duration
    FROM analytics_events
    WHERE event_type = 'view' AND timestamp >= $1::timestamptz AND timestamp < $2::timestamptz
)
SELECT
    count(duration) AS views,
    sum(duration) AS duration,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY CAST(duration AS double precision)) AS median
FROM views
