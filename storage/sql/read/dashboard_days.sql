-- Counts events by type and calendar day of a time zone.
-- $1 start, $2 end (timestamptz), $3 IANA time zone
-- The day comes without a zone: which moment a local midnight is, where clocks change, is decided in one place, the reader.
-- Leans on the partitions' bounds.
WITH events AS (
    SELECT event_type, timezone($3, timestamp) AS local_time
    FROM analytics_events
    WHERE timestamp >= $1 AND timestamp < $2
)
SELECT CAST(local_time AS date) AS day, event_type, count(*) AS count
FROM events
GROUP BY day, event_type
ORDER BY day, event_type
