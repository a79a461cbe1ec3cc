-- Estimates how many bytes the rows of the quarantine take up, without the free space between them.
-- $1 how much of the table to look at, in percent (real); $2 bytes of a row beside violations and payload (bigint)
-- Reads that share of the table's pages.
SELECT
    CAST(
        coalesce(sum($2::bigint + coalesce(pg_column_size(violations), 0) + coalesce(pg_column_size(payload), 0)), 0)
        * 100 / $1::real AS bigint
    ) AS bytes
FROM analytics_rejected_events TABLESAMPLE SYSTEM ($1::real)
