-- Deletes the keys that have aged out from a stretch of the ledger's pages; answers how many rows and bytes.
-- $1 received before (timestamptz), $2 first place, $3 first place after the stretch (tid)
-- Leans on the places: an index on received_at would cost every write for the sake of one pass a day.
WITH deleted AS (
    DELETE FROM analytics_event_keys AS key
    WHERE ctid >= $2 AND ctid < $3 AND received_at < $1
    RETURNING pg_column_size(key.*) AS bytes
)
SELECT count(*) AS rows, CAST(coalesce(sum(bytes), 0) AS bigint) AS bytes
FROM deleted
