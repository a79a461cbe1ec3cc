-- Counts the copied rows of a segment up from the number that was read; answers nothing where it is another by now.
-- $1 segment (uuid), $2 copied before, $3 copied from now on (bigint)
-- Leans on the primary key.
UPDATE analytics_segments
SET copied_rows = $3
WHERE id = $1 AND state = 'live' AND copied_rows = $2
RETURNING copied_rows
