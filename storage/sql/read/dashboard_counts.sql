-- Counts events by type and platform in each period of a range, and in all of the range before it.
-- $1 previous range's start, $2 end (timestamptz), $3 the periods' first moments in range, ascending (timestamptz[])
-- Period 0 is the previous range; period n begins at $3[n]. Where local midnights lie is the caller's to know.
-- All figures are sums. Leans on the partitions' bounds; every row of both ranges is read.
WITH events AS (
    SELECT event_type, platform, received_at, width_bucket(timestamp, $3::timestamptz[]) AS period
    FROM analytics_events
    WHERE timestamp >= $1::timestamptz AND timestamp < $2::timestamptz
)
SELECT event_type, platform, period, count(*) AS count, max(received_at) AS as_of
FROM events
GROUP BY event_type, platform, period
ORDER BY period, event_type, platform
