-- Lists the newest events before a cursor that match every filter.
-- $1 start, $2 end (timestamptz); $3 event type, $4 user id, $5 session id (null: any);
-- $6 timestamp, $7 sequence, $8 event id of the last event seen (null: from the newest); $9 how many
-- Leans on (actor_id, timestamp) for a user, whose actor id is the user id, on (event_type, timestamp) for a type, and
-- otherwise on the partitions' order; plan it with its values.
SELECT
    event_id, event_type, schema_version, timestamp, received_at, timestamp_source, sequence, user_id, session_id,
    platform, user_agent, device, event_data
FROM analytics_events
WHERE timestamp >= $1
    AND timestamp < $2
    AND ($3::text IS NULL OR event_type = $3)
    AND ($4::text IS NULL OR (actor_id = $4 AND user_id = $4))
    AND ($5::text IS NULL OR session_id = $5)
    AND ($6::timestamptz IS NULL OR (timestamp, sequence, event_id) < ($6, $7::bigint, $8::uuid))
ORDER BY timestamp DESC, sequence DESC, event_id DESC
LIMIT $9
