-- Lists the days that have a partition of analytics_events, as text (20260131).
-- Partitions that are being detached or are closed take no more rows; those of other names are not ours.
SELECT right(partition.relname, 8) AS day
FROM pg_inherits
JOIN pg_class AS partition ON partition.oid = inhrelid
WHERE inhparent = CAST('analytics_events' AS regclass)
    AND NOT inhdetachpending
    AND partition.relname ~ '^analytics_events_[0-9]{8}$'
    AND NOT EXISTS (
        SELECT 1 FROM analytics_closed_days WHERE to_char(day, 'YYYYMMDD') = right(partition.relname, 8)
    )
ORDER BY day
