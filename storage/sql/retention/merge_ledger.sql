-- Merges the rows of the ingest ledger that have aged out into one a month, of no writer: what was ever received stays
-- countable. Answers how many rows and bytes were merged.
-- $1 received before (timestamptz)
-- The table holds a row for each writer and hour: small, and read whole.
WITH merged AS (
    DELETE FROM analytics_ingest_ledger AS ledger
    WHERE hour < $1 AND writer_id <> CAST('00000000-0000-0000-0000-000000000000' AS uuid)
    RETURNING hour, stored, duplicates, rejected, pg_column_size(ledger.*) AS bytes
), kept AS (
    INSERT INTO analytics_ingest_ledger AS ledger (writer_id, hour, last_batch, stored, duplicates, rejected)
    SELECT
        CAST('00000000-0000-0000-0000-000000000000' AS uuid),
        date_trunc('month', hour, 'UTC') AS month,
        0,
        sum(stored),
        sum(duplicates),
        sum(rejected)
    FROM merged
    GROUP BY month
    ON CONFLICT (writer_id, hour) DO UPDATE
    SET stored = ledger.stored + excluded.stored,
        duplicates = ledger.duplicates + excluded.duplicates,
        rejected = ledger.rejected + excluded.rejected
)
SELECT count(*) AS rows, CAST(coalesce(sum(bytes), 0) AS bigint) AS bytes
FROM merged
