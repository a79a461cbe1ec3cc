-- Reads the newest row of each action in the audit log.
-- Leans on the index (action, id).
SELECT DISTINCT ON (action)
    started_at, finished_at, actor, action, outcome, range_start, range_end, rows, bytes, details
FROM analytics_audit_log
ORDER BY action, id DESC
