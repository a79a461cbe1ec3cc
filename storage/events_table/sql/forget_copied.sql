-- Lets all segments with young enough events be copied anew; answers how many.
-- $1 since when events are wanted (timestamptz)
-- Leans on the index on state.
WITH forgotten AS (
    UPDATE analytics_segments
    SET copied_rows = 0
    WHERE state = 'live' AND copied_rows > 0 AND last_at >= $1
    RETURNING id
)
SELECT count(*) FROM forgotten
