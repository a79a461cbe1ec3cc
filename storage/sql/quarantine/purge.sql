-- Deletes the oldest rejected events from a cursor on that match every filter; answers what it deleted, and where it ended.
-- $1 start, $2 end of the times of receipt (timestamptz); $3 reason, $4 event type, $5 event id, $6 source (text), and
-- $7 whether it has been replayed (boolean; null: any);
-- $8 bytes of a row beside violations and payload (bigint); $9 received_at, $10 rejection id of the last one deleted
-- (null: from the oldest); $11 how many at most
-- Rows that a writer or a replay holds just now are left alone. Leans on (received_at); plan it with its values.
WITH doomed AS MATERIALIZED (
    SELECT rejection_id
    FROM analytics_rejected_events
    WHERE received_at >= $1
        AND received_at < $2
        AND ($3::text IS NULL OR reason = $3)
        AND ($4::text IS NULL OR event_type = $4)
        AND ($5::text IS NULL OR event_id = $5)
        AND ($6::text IS NULL OR source = $6)
        AND ($7::boolean IS NULL OR (replayed_at IS NOT NULL) = $7)
        AND ($9::timestamptz IS NULL OR (received_at, rejection_id) > ($9, $10::uuid))
    ORDER BY received_at, rejection_id
    LIMIT $11
    FOR UPDATE SKIP LOCKED
), deleted AS (
    DELETE FROM analytics_rejected_events AS rejected
    USING doomed
    WHERE rejected.rejection_id = doomed.rejection_id
    RETURNING
        rejected.received_at,
        rejected.rejection_id,
        rejected.event_count,
        $8::bigint + coalesce(pg_column_size(rejected.violations), 0) + coalesce(pg_column_size(rejected.payload), 0) AS bytes
)
SELECT
    count(*) AS rows,
    CAST(coalesce(sum(event_count), 0) AS bigint) AS events,
    CAST(coalesce(sum(bytes), 0) AS bigint) AS bytes,
    max(received_at) AS received_at,
    (array_agg(CAST(rejection_id AS text) ORDER BY received_at DESC, rejection_id DESC))[1] AS rejection_id
FROM deleted
