-- Counts events by type and hour or minute of a time zone's clock.
-- $1 start, $2 end (timestamptz), $3 IANA time zone, $4 'hour' or 'minute'
-- The local clock's fraction is taken off the moment itself, which keeps two hours of one name apart.
-- Leans on the partitions' bounds.
WITH events AS (
    SELECT event_type, timestamp, timezone($3, timestamp) AS local_time
    FROM analytics_events
    WHERE timestamp >= $1 AND timestamp < $2
)
SELECT timestamp - (local_time - date_trunc($4, local_time)) AS time, event_type, count(*) AS count
FROM events
GROUP BY time, event_type
ORDER BY time, event_type
