-- Counts the distinct session ids of a range.
-- $1 start, $2 end (timestamptz)
-- Leans on the partitions' bounds.
WITH events AS (
    SELECT session_id
    FROM analytics_events
    WHERE timestamp >= $1 AND timestamp < $2 AND session_id IS NOT NULL
), sessions AS (
    SELECT session_id FROM events GROUP BY session_id
)
SELECT count(*) AS sessions FROM sessions
