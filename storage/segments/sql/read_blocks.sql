-- Reads blocks.
-- $1 ids (uuid[])
-- Leans on the primary key.
SELECT id, format, rows, first_at, last_at, data FROM analytics_blocks WHERE id = ANY ($1::uuid[])
