-- Locks rejected events that wait for their replay until the transaction ends; answers how many of them there are.
-- $1 rejection ids (uuid[])
-- In one order, so that concurrent replays wait for each other. Leans on the primary key.
WITH held AS MATERIALIZED (
    SELECT rejection_id
    FROM analytics_rejected_events
    WHERE rejection_id = ANY ($1::uuid[]) AND replayed_at IS NULL
    ORDER BY rejection_id
    FOR UPDATE
)
SELECT count(*) AS held FROM held
