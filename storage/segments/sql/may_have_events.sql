-- Tells whether there may be events in a range: in a segment that counts, or in a block.
-- $1 start, $2 end (timestamptz, half-open)
-- Leans on the index (state) of the segments; there are few of them, and few blocks.
SELECT
    EXISTS (SELECT FROM analytics_segments WHERE state = 'live' AND first_at < $2::timestamptz AND last_at >= $1::timestamptz)
    OR EXISTS (SELECT FROM analytics_blocks WHERE first_at < $2 AND last_at >= $1)
