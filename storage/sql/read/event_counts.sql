-- Counts events by type and period.
-- $1 start, $2 end (timestamptz, half-open), $3 first moments of the periods, ascending (timestamptz[]): period n begins
-- at $3[n]
-- Leans on the index (event_type, timestamp), which holds all that it needs.
SELECT event_type, width_bucket(timestamp, $3::timestamptz[]) AS period, count(*) AS count
FROM analytics_events
WHERE timestamp >= $1 AND timestamp < $2
GROUP BY event_type, period
