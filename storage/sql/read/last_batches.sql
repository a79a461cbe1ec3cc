-- Tells the number of the newest committed batch of each of some writers.
-- $1 writers (uuid[])
-- Leans on the primary key.
SELECT CAST(writer_id AS text) AS writer_id, max(last_batch) AS last_batch
FROM analytics_ingest_ledger
WHERE writer_id = ANY ($1::uuid[])
GROUP BY writer_id
