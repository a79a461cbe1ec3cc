-- Lists the segments that count, oldest first; without their footers, of which a reader may know most.
-- Leans on the index on state.
SELECT id, level, format, place, first_at, last_at, low_actor, high_actor, rows, bytes, checksum, is_summarised,
       copied_rows
FROM analytics_segments
WHERE state = 'live'
ORDER BY first_at, id
