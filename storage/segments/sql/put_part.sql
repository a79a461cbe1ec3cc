-- Stores a part of a segment; one that is there already stays.
-- $1 segment (uuid), $2 number of the part (integer), $3 data (bytea); {table}: of the segment's level
-- Leans on the primary key.
INSERT INTO {table} (segment_id, part, data)
VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING
