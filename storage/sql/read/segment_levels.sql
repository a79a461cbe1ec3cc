-- Tells how many live segments each level has, with their rows and bytes, and how many rows are in no summary yet.
-- Leans on the index on state.
SELECT
    level,
    count(*) AS segments,
    CAST(sum(rows) AS bigint) AS rows,
    CAST(sum(bytes) AS bigint) AS bytes,
    CAST(coalesce(sum(rows) FILTER (WHERE NOT is_summarised), 0) AS bigint) AS unsummarised_rows
FROM analytics_segments
WHERE state = 'live'
GROUP BY level
ORDER BY level
