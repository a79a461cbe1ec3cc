-- Lists the newest events before a cursor that match every filter.
-- $1 start, $2 end (timestamptz); $3 event type, $4 user id, $5 session id (null: any);
-- $6 timestamp, $7 sequence, $8 event id of the last event seen (null: from the newest); $9 how many;
-- matching: the predicate of the filter
-- No index has this order: all events of the range are sorted, so ask for short ones. Leans on (actor_id, timestamp) for
-- a user, whose actor id is the user id, and otherwise on (event_type, timestamp); plan it with its values.
SELECT
    event_id, event_type, schema_version, timestamp, received_at, timestamp_source, sequence, user_id, session_id,
    platform, user_agent, device, event_data
FROM analytics_events
WHERE timestamp >= $1::timestamptz
    AND timestamp < $2::timestamptz
    AND ($3::text IS NULL OR event_type = $3::text)
    AND ($4::text IS NULL OR (actor_id = $4::text AND user_id = $4::text))
    AND ($5::text IS NULL OR session_id = $5::text)
    AND ($6::timestamptz IS NULL OR (timestamp, sequence, event_id) < ($6::timestamptz, $7::bigint, $8::uuid))
    AND {matching}
ORDER BY timestamp DESC, sequence DESC, event_id DESC
LIMIT $9::bigint
