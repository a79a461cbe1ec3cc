-- Changes the state of segments; answers how many there were in the old one. One that another transaction is changing
-- counts as changed.
-- $1 ids (uuid[]), $2 old state (text), $3 new state (text)
-- Leans on the primary key.
WITH locked AS (
    SELECT id FROM analytics_segments
    WHERE id = ANY ($1::uuid[]) AND state = $2
    FOR UPDATE SKIP LOCKED
), flipped AS (
    UPDATE analytics_segments AS segment
    SET state = $3, changed_at = clock_timestamp()
    FROM locked
    WHERE segment.id = locked.id
    RETURNING segment.id
)
SELECT count(*) FROM flipped
