-- Counts the rows of the quarantine that have aged out.
-- $1 received before (timestamptz)
-- Leans on the index (received_at).
SELECT count(*) AS rows, CAST(coalesce(sum(pg_column_size(rejected.*)), 0) AS bigint) AS bytes
FROM analytics_rejected_events AS rejected
WHERE received_at < $1
