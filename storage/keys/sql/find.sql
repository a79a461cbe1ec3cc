-- Reads a key and locks its row until the end of the transaction.
-- $1 its id (text); by the primary key
SELECT
    id, kind, hash, name, scopes, origins, event_types, user_ids, events_per_second, daily_events,
    concurrent_reports, created_at, expires_at, revoked_at, last_used_at,
    used_events
FROM analytics_keys
WHERE id = $1
FOR UPDATE
