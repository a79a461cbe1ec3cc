-- Adds a row to the audit log.
-- $1 start, $2 end (timestamptz), $3 who, $4 what, $5 outcome (text), $6 start and $7 end of the range (timestamptz),
-- $8 rows, $9 bytes (bigint), $10 details (text of JSON)
INSERT INTO analytics_audit_log
    (started_at, finished_at, actor, action, outcome, range_start, range_end, rows, bytes, details)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, CAST($10::text AS jsonb))
