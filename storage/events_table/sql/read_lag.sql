-- Reads how many events are not copied yet, and for how many seconds the oldest of them has been stored.
-- Where there is no table, nothing waits for it.
-- Leans on the index on state.
WITH waiting AS (
    SELECT rows, stored_at FROM analytics_blocks
    UNION ALL
    SELECT rows - copied_rows, stored_at FROM analytics_segments WHERE state = 'live' AND copied_rows < rows
)
SELECT coalesce(sum(rows), 0)::bigint AS rows,
       coalesce(extract(epoch FROM clock_timestamp() - min(stored_at)), 0)::double precision AS seconds
FROM waiting
WHERE EXISTS (SELECT FROM pg_inherits WHERE inhparent = 'analytics_events'::regclass)
