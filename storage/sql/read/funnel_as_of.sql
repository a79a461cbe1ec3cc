-- Finds the newest time of receipt among the events that a funnel reads.
-- $1 start, $2 end (timestamptz); $3 event types (null: all)
-- Leans on the order of the partitions; columns of fixed place only.
SELECT max(received_at) AS as_of
FROM analytics_events
WHERE timestamp >= $1
    AND timestamp < $2
    AND ($3::text[] IS NULL OR event_type = ANY ($3::text[]))
