-- Reads the footers and checksums of segments.
-- $1 ids (uuid[])
-- Leans on the primary key.
SELECT id, footer, sums FROM analytics_segments WHERE id = ANY ($1::uuid[])
