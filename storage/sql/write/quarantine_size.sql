-- Tells how many bytes the quarantine takes up, indexes included.
SELECT pg_total_relation_size('analytics_rejected_events') AS bytes
