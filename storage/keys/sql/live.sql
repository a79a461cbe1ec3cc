-- Reads the keys that can be used, now or after a rotation, and how many events each took on a day.
-- $1 the day (date, UTC)
-- Reads the whole table, which holds some thousand rows at most.
SELECT
    id, kind, hash, name, scopes, origins, event_types, user_ids, events_per_second, daily_events,
    concurrent_reports, created_at, expires_at, revoked_at, last_used_at,
    CASE WHEN used_day = $1 THEN used_events ELSE 0 END AS used_events
FROM analytics_keys
WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
