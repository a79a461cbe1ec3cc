-- Marks as abandoned the segments that nobody can be writing any more; answers how many.
-- $1 how long a segment may be under way (interval)
-- Leans on the index on state.
UPDATE analytics_segments
SET state = 'abandoned', changed_at = clock_timestamp()
WHERE state = 'writing' AND changed_at < clock_timestamp() - $1::interval
