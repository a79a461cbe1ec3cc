-- Tells how much waits to be sealed, and since when the oldest of it is stored (null: nothing waits).
-- Sizes are read without the data.
SELECT
    count(*) AS blocks,
    CAST(coalesce(sum(rows), 0) AS bigint) AS rows,
    CAST(coalesce(sum(octet_length(data)), 0) AS bigint) AS bytes,
    CAST(extract(EPOCH FROM clock_timestamp() - min(stored_at)) AS double precision) AS age_s
FROM analytics_blocks
