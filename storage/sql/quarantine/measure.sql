-- Tells how many rows match every filter, how many events they stand for, and the bytes that these take up.
-- $1 start, $2 end of the times of receipt (timestamptz); $3 reason, $4 event type, $5 event id, $6 source (text), and
-- $7 whether it has been replayed (boolean; null: any);
-- $8 bytes of a row beside violations and payload (bigint)
-- Leans on (received_at) for a short range, and reads the whole table for a long one; plan it with its values.
SELECT
    count(*) AS rows,
    CAST(coalesce(sum(event_count), 0) AS bigint) AS events,
    CAST(coalesce(sum($8::bigint + coalesce(pg_column_size(violations), 0) + coalesce(pg_column_size(payload), 0)), 0) AS bigint) AS bytes
FROM analytics_rejected_events
WHERE received_at >= $1
    AND received_at < $2
    AND ($3::text IS NULL OR reason = $3)
    AND ($4::text IS NULL OR event_type = $4)
    AND ($5::text IS NULL OR event_id = $5)
    AND ($6::text IS NULL OR source = $6)
    AND ($7::boolean IS NULL OR (replayed_at IS NOT NULL) = $7)
