-- Forgets a segment whose bytes are gone.
-- $1 id (uuid)
-- Leans on the primary key.
DELETE FROM analytics_segments WHERE id = $1 AND state IN ('abandoned', 'replaced')
