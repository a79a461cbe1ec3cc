-- Tells what became of the events received in each hour.
-- $1 first hour (timestamptz)
-- The table holds a row for each writer and hour: small, and read whole.
SELECT
    hour,
    CAST(sum(stored) AS bigint) AS stored,
    CAST(sum(duplicates) AS bigint) AS duplicates,
    CAST(sum(rejected) AS bigint) AS rejected
FROM analytics_ingest_ledger
WHERE hour >= $1
GROUP BY hour
ORDER BY hour
