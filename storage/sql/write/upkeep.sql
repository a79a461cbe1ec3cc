-- Counts a run of work that runs all the time.
-- $1 job, $2 who ran it (text), $3 start, $4 end (timestamptz), $5 rows (bigint), $6 why it failed (text; null: it did
-- not)
-- Leans on the primary key.
INSERT INTO analytics_upkeep AS upkeep (job, runner, started_at, finished_at, succeeded_at, reason, runs, failures, rows)
VALUES (
    $1,
    $2,
    $3,
    $4,
    CASE WHEN $6::text IS NULL THEN $4::timestamptz END,
    $6,
    CASE WHEN $6::text IS NULL THEN 1 ELSE 0 END,
    CASE WHEN $6::text IS NULL THEN 0 ELSE 1 END,
    $5
)
ON CONFLICT (job) DO UPDATE
SET runner = excluded.runner,
    started_at = excluded.started_at,
    finished_at = excluded.finished_at,
    succeeded_at = coalesce(excluded.succeeded_at, upkeep.succeeded_at),
    reason = excluded.reason,
    runs = upkeep.runs + excluded.runs,
    failures = upkeep.failures + excluded.failures,
    rows = upkeep.rows + excluded.rows
