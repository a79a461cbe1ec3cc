-- Counts the keys that can be used.
-- Reads the whole table, which holds some thousand rows at most.
SELECT count(*)
FROM analytics_keys
WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
