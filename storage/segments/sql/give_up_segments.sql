-- Marks segments that are under way as abandoned.
-- $1 ids (uuid[])
-- Leans on the primary key.
UPDATE analytics_segments
SET state = 'abandoned', changed_at = clock_timestamp()
WHERE id = ANY ($1::uuid[]) AND state = 'writing'
