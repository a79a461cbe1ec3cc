-- Deletes blocks; answers how many there were, and when the oldest was stored. One that another transaction is deleting
-- counts as deleted.
-- $1 ids (uuid[])
-- Leans on the primary key.
WITH locked AS (
    SELECT id FROM analytics_blocks WHERE id = ANY ($1::uuid[]) FOR UPDATE SKIP LOCKED
), deleted AS (
    DELETE FROM analytics_blocks AS block USING locked WHERE block.id = locked.id RETURNING block.stored_at
)
SELECT count(*) AS count, min(stored_at) AS stored_at FROM deleted
