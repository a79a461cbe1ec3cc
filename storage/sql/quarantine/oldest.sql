-- Names the oldest rejected events behind a cursor that match every filter.
-- $1 start, $2 end of the times of receipt (timestamptz); $3 reason, $4 event type, $5 event id, $6 source (text), and
-- $7 whether it has been replayed (boolean; null: any);
-- $8 received_at, $9 rejection id of the last one seen (null: from the oldest); $10 how many
-- Leans on (received_at); plan it with its values.
SELECT CAST(rejection_id AS text) AS rejection_id, received_at
FROM analytics_rejected_events
WHERE received_at >= $1
    AND received_at < $2
    AND ($3::text IS NULL OR reason = $3)
    AND ($4::text IS NULL OR event_type = $4)
    AND ($5::text IS NULL OR event_id = $5)
    AND ($6::text IS NULL OR source = $6)
    AND ($7::boolean IS NULL OR (replayed_at IS NOT NULL) = $7)
    AND ($8::timestamptz IS NULL OR (received_at, rejection_id) > ($8, $9::uuid))
ORDER BY received_at, rejection_id
LIMIT $10
