-- Counts the keys that have aged out.
-- $1 received before (timestamptz)
-- Reads the ledger whole.
SELECT count(*) AS rows, CAST(coalesce(sum(pg_column_size(key.*)), 0) AS bigint) AS bytes
FROM analytics_event_keys AS key
WHERE received_at < $1
