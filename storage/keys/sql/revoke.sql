-- Revokes a key; one that is revoked keeps its time.
-- $1 its id (text), $2 the time (timestamptz); by the primary key
UPDATE analytics_keys SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1
