-- Lists the partitions of analytics_events by day, those included that retention has closed or detached but not dropped.
-- Rows are Postgres's estimate; state is open, closed (frozen, takes nothing), detaching or detached.
SELECT
    to_date(right(partition.relname, 8), 'YYYYMMDD') AS day,
    CASE
        WHEN inheritance.inhrelid IS NULL THEN 'detached'
        WHEN inheritance.inhdetachpending THEN 'detaching'
        WHEN closed.day IS NOT NULL THEN 'closed'
        ELSE 'open'
    END AS state,
    greatest(CAST(partition.reltuples AS bigint), pg_stat_get_live_tuples(partition.oid), 0) AS rows,
    pg_total_relation_size(partition.oid) AS bytes,
    pg_stat_get_mod_since_analyze(partition.oid) AS changes
FROM pg_class AS partition
LEFT JOIN pg_inherits AS inheritance
    ON inheritance.inhrelid = partition.oid AND inheritance.inhparent = CAST('analytics_events' AS regclass)
LEFT JOIN analytics_closed_days AS closed ON to_char(closed.day, 'YYYYMMDD') = right(partition.relname, 8)
WHERE partition.relkind = 'r'
    AND partition.relname ~ '^analytics_events_[0-9]{8}$'
    AND partition.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = CAST('analytics_events' AS regclass))
    AND (inheritance.inhrelid IS NOT NULL OR closed.day IS NOT NULL)
ORDER BY day
