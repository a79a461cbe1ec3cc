-- Reads how each kind of work goes that runs all the time.
SELECT job, runner, started_at, finished_at, reason, runs, failures, rows FROM analytics_upkeep
