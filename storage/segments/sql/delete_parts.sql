-- Removes the parts of a segment.
-- $1 segment (uuid); {table}: of the segment's level
-- Leans on the primary key.
DELETE FROM {table} WHERE segment_id = $1
