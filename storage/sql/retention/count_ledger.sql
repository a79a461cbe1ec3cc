-- Counts the rows of the ingest ledger that have aged out and are not merged yet.
-- $1 received before (timestamptz)
-- The table holds a row for each writer and hour: small, and read whole.
SELECT count(*) AS rows, CAST(coalesce(sum(pg_column_size(ledger.*)), 0) AS bigint) AS bytes
FROM analytics_ingest_ledger AS ledger
WHERE hour < $1 AND writer_id <> CAST('00000000-0000-0000-0000-000000000000' AS uuid)
