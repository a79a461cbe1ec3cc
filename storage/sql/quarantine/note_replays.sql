-- Notes what became of replays.
-- $1 when (timestamptz), $2 rejection ids (uuid[]), $3 outcomes (text[]), $4 event ids (text[]), $5 violations (jsonb
-- as text[], null where none), $6 the same moment again where their events are stored, else null (timestamptz)
-- A replay that succeeded meanwhile keeps its word. Leans on the primary key.
UPDATE analytics_rejected_events AS rejected
SET tried_at = $1,
    replayed_at = $6,
    replay_outcome = replay.outcome,
    replay_event_id = replay.event_id,
    replay_violations = CAST(replay.violations AS jsonb)
FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[]) AS replay (rejection_id, outcome, event_id, violations)
WHERE rejected.rejection_id = replay.rejection_id AND rejected.replayed_at IS NULL
