-- Lists the segments that are not copied as a whole: those that have begun first, then by when they were stored.
-- Leans on the index on state.
SELECT id, changed_at
FROM analytics_segments
WHERE state = 'live' AND copied_rows < rows
ORDER BY copied_rows = 0, stored_at, id
