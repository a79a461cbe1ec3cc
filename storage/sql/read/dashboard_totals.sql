-- Counts events by type in a range and in the range just before it.
-- $1 previous range's start, $2 start, $3 end (timestamptz)
-- Leans on the partitions' bounds; every row of both ranges is read.
WITH events AS (
    SELECT event_type, timestamp, received_at
    FROM analytics_events
    WHERE timestamp >= $1 AND timestamp < $3
)
SELECT
    event_type,
    count(*) FILTER (WHERE timestamp >= $2) AS count,
    count(*) FILTER (WHERE timestamp < $2) AS previous_count,
    max(received_at) FILTER (WHERE timestamp >= $2) AS as_of
FROM events
GROUP BY event_type
ORDER BY event_type
