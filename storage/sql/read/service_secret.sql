-- Reads by which value the secret of this database is known; no row where none was recorded.
-- No parameters. Leans on nothing: there is one row.
SELECT check_value, recorded_at, recorded_by
FROM analytics_service_secret
