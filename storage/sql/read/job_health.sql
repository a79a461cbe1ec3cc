-- Tells how the newest real run of each job went, and when the newest good one ended; by the clock, by hand, or all the
-- time.
-- Dry runs say nothing about the data; actions of several words are commands and no jobs.
-- Leans on the index (action, id), and on the log's being short: some ten rows an hour.
WITH runs AS (
    SELECT
        action AS job,
        outcome,
        started_at,
        finished_at,
        CASE WHEN outcome = 'done' THEN finished_at END AS succeeded_at
    FROM analytics_audit_log
    WHERE outcome <> 'dry run' AND action NOT LIKE '% %'
    UNION ALL
    SELECT
        job, CASE WHEN reason IS NULL THEN 'done' ELSE 'failed' END, started_at, finished_at, succeeded_at
    FROM analytics_upkeep
)
SELECT DISTINCT ON (job)
    job, outcome, started_at, finished_at, max(succeeded_at) OVER (PARTITION BY job) AS succeeded_at
FROM runs
ORDER BY job, finished_at DESC
