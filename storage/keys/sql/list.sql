-- Lists keys, newest first.
-- $1 whether revoked and expired keys are listed too (boolean), $2 the most rows (bigint)
-- Reads the whole table, which holds some thousand rows at most.
SELECT
    id, kind, hash, name, scopes, origins, event_types, user_ids, events_per_second, daily_events,
    concurrent_reports, created_at, expires_at, revoked_at, last_used_at,
    used_events
FROM analytics_keys
WHERE $1 OR (revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()))
ORDER BY created_at DESC, id
LIMIT $2
