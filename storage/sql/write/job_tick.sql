-- Notes that a job begins.
-- $1 job, $2 when (timestamptz), $3 who runs it
-- Leans on the primary key.
INSERT INTO analytics_job_ticks (job, started_at, runner)
VALUES ($1, $2, $3)
ON CONFLICT (job) DO UPDATE SET started_at = excluded.started_at, runner = excluded.runner
