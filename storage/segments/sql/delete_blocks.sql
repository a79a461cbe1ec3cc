-- Deletes blocks; answers how many there were. One that another transaction is deleting counts as deleted.
-- $1 ids (uuid[])
-- Leans on the primary key.
WITH locked AS (
    SELECT id FROM analytics_blocks WHERE id = ANY ($1::uuid[]) FOR UPDATE SKIP LOCKED
), deleted AS (
    DELETE FROM analytics_blocks AS block USING locked WHERE block.id = locked.id RETURNING block.id
)
SELECT count(*) FROM deleted
