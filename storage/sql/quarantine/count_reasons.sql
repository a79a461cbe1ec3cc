-- Counts rejected events that match every filter by reason, most frequent first.
-- $1 start, $2 end of the times of receipt (timestamptz); $3 reason, $4 event type, $5 event id, $6 source (text), and
-- $7 whether it has been replayed (boolean; null: any)
-- Leans on (received_at) for a short range, and reads the whole table for a long one; plan it with its values.
SELECT
    reason,
    CAST(sum(event_count) AS bigint) AS events,
    count(*) FILTER (WHERE payload IS NOT NULL AND replayed_at IS NULL) AS replayable
FROM analytics_rejected_events
WHERE received_at >= $1
    AND received_at < $2
    AND ($3::text IS NULL OR reason = $3)
    AND ($4::text IS NULL OR event_type = $4)
    AND ($5::text IS NULL OR event_id = $5)
    AND ($6::text IS NULL OR source = $6)
    AND ($7::boolean IS NULL OR (replayed_at IS NOT NULL) = $7)
GROUP BY reason
ORDER BY events DESC, reason
