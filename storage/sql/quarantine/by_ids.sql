-- Reads some rejected events with their payloads.
-- $1 rejection ids (uuid[])
-- Leans on the primary key.
SELECT
    CAST(rejection_id AS text) AS rejection_id, received_at, reason, source, event_id, event_type, violations, event_count,
    payload_bytes, payload IS NOT NULL AS payload_kept, replayed_at, tried_at, replay_outcome, replay_event_id,
    replay_violations,
    payload, payload_type
FROM analytics_rejected_events
WHERE rejection_id = ANY ($1::uuid[])
