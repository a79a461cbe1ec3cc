-- Counts rejected events that the quarantine has no room to keep: one row stands for all of a writer, hour and reason.
-- $1 ids (uuid[], one for each writer, hour, reason and source), $2 hours (timestamptz[]), $3 reasons (text[]),
-- $4 sources (text[]), $5 counts (bigint[]), $6 bytes of their payloads (bigint[])
-- Leans on the primary key.
INSERT INTO analytics_rejected_events AS kept (rejection_id, received_at, reason, source, event_count, payload_bytes)
SELECT more.rejection_id, more.hour, more.reason, more.source, more.event_count, more.payload_bytes
FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::bigint[], $6::bigint[])
    AS more (rejection_id, hour, reason, source, event_count, payload_bytes)
ON CONFLICT (rejection_id) DO UPDATE
SET event_count = kept.event_count + excluded.event_count,
    payload_bytes = kept.payload_bytes + excluded.payload_bytes
