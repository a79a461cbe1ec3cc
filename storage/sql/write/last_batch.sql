-- Tells the number of the newest batch of a writer that is committed; null where there is none.
-- $1 writer (uuid)
-- Leans on the primary key.
SELECT max(last_batch) AS last_batch
FROM analytics_ingest_ledger
WHERE writer_id = $1
