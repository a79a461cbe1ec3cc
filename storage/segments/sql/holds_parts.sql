-- Tells whether any part of a segment is there.
-- $1 segment (uuid); {table}: of the segment's level
-- Leans on the primary key.
SELECT EXISTS (SELECT FROM {table} WHERE segment_id = $1) AS holds
