-- Lets a key end at a time, or earlier where it already ends earlier.
-- $1 its id (text), $2 the time (timestamptz); by the primary key
UPDATE analytics_keys SET expires_at = least(expires_at, $2) WHERE id = $1
