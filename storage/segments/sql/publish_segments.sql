-- Lets written segments count; answers how many of them were under way, and when their oldest events were stored. One
-- that another transaction is changing is not.
-- $1 ids (uuid[]), $2 when the oldest of their events were stored (timestamptz); null for now
-- Leans on the primary key.
WITH locked AS (
    SELECT id FROM analytics_segments
    WHERE id = ANY ($1::uuid[]) AND state = 'writing'
    FOR UPDATE SKIP LOCKED
), published AS (
    UPDATE analytics_segments AS segment
    SET state = 'live', changed_at = clock_timestamp(), stored_at = coalesce($2, segment.stored_at)
    FROM locked
    WHERE segment.id = locked.id
    RETURNING segment.stored_at
)
SELECT count(*) AS count, min(stored_at) AS stored_at FROM published
