-- Marks segments as replaced; answers how many are as they were read, and when their oldest events were stored. One that
-- another transaction is changing is not.
-- $1 ids (uuid[]), $2 how many rows of each were copied (bigint[])
-- Leans on the primary key.
WITH locked AS (
    SELECT segment.id
    FROM unnest($1::uuid[], $2::bigint[]) AS known (id, copied_rows)
    JOIN analytics_segments AS segment ON segment.id = known.id AND segment.copied_rows = known.copied_rows
    WHERE segment.state = 'live'
    FOR UPDATE OF segment SKIP LOCKED
), flipped AS (
    UPDATE analytics_segments AS segment
    SET state = 'replaced', changed_at = clock_timestamp()
    FROM locked
    WHERE segment.id = locked.id
    RETURNING segment.stored_at
)
SELECT count(*) AS count, min(stored_at) AS stored_at FROM flipped
