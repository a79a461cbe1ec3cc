-- Averages the duration of the views that tell one, in seconds.
-- $1 start, $2 end (timestamptz)
-- Leans on the index (event_type, timestamp).
WITH views AS (
    SELECT CAST(event_data ->> 'viewDuration' AS double precision) AS view_duration
    FROM analytics_events
    WHERE event_type = 'view' AND timestamp >= $1 AND timestamp < $2
)
SELECT avg(view_duration) AS mean_view_duration FROM views
