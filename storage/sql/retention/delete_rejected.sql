-- Deletes some rows of the quarantine that have aged out; answers how many rows and bytes.
-- $1 received before (timestamptz), $2 how many at most
-- Leans on the index (received_at) and the primary key.
WITH aged AS (
    SELECT rejection_id
    FROM analytics_rejected_events
    WHERE received_at < $1
    ORDER BY received_at
    LIMIT $2
), deleted AS (
    DELETE FROM analytics_rejected_events AS rejected
    USING aged
    WHERE rejected.rejection_id = aged.rejection_id
    RETURNING pg_column_size(rejected.*) AS bytes
)
SELECT count(*) AS rows, CAST(coalesce(sum(bytes), 0) AS bigint) AS bytes
FROM deleted
