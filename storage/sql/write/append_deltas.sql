-- Appends how many events a write added to each hour.
-- $1 hours (timestamptz[]), $2 event types (text[]), $3 counts (bigint[])
INSERT INTO analytics_aggregation_deltas (hour, event_type, count)
SELECT delta.hour, delta.event_type, delta.count
FROM unnest($1::timestamptz[], $2::text[], $3::bigint[]) AS delta (hour, event_type, count)
