-- Lists the newest rows of the audit log, newest first.
-- $1 action (text; null: any), $2 how many
-- Leans on the primary key, and on the index (action, id) for an action.
SELECT started_at, finished_at, actor, action, outcome, range_start, range_end, rows, bytes, details
FROM analytics_audit_log
WHERE $1::text IS NULL OR action = $1
ORDER BY id DESC
LIMIT $2
