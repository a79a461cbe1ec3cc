-- Tells how many bytes the database and its quarantine take up.
SELECT
    pg_database_size(current_database()) AS database_bytes,
    pg_total_relation_size('analytics_rejected_events') AS quarantine_bytes
