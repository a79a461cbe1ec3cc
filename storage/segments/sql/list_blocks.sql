-- Lists blocks without their data, oldest first.
SELECT id, rows, first_at, last_at, stored_at FROM analytics_blocks ORDER BY stored_at, id
