-- Lists the segments whose bytes nobody needs any more: abandoned ones, and those that were replaced long enough ago.
-- $1 how long readers may still need a replaced one (interval)
-- Leans on the index on state.
SELECT id, place
FROM analytics_segments
WHERE state = 'abandoned' OR (state = 'replaced' AND changed_at < clock_timestamp() - $1::interval)
