-- Reads when each job last began by the clock, and who ran it.
SELECT job, started_at, runner FROM analytics_job_ticks
