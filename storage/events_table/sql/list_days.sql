-- Lists the partitions of analytics_events by day, also those that were detached and not dropped yet.
-- Leans on pg_inherits_parent_index, and on pg_class_relname_nsp_index for the names.
SELECT right(day.relname, 8)::date AS day, coalesce(tree.inhparent IS NOT NULL, false) AS is_attached,
       coalesce(tree.inhdetachpending, false) AS is_detaching
FROM pg_class AS parent
JOIN pg_class AS day
  ON day.relnamespace = parent.relnamespace AND day.relkind = 'r' AND day.relname ~ '^analytics_events_[0-9]{8}$'
LEFT JOIN pg_inherits AS tree ON tree.inhrelid = day.oid AND tree.inhparent = parent.oid
WHERE parent.oid = 'analytics_events'::regclass
ORDER BY day
