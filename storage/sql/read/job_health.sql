-- Tells how the newest real run of each job went, and when the newest good one ended.
-- Dry runs say nothing about the data; actions of several words are commands and no jobs.
-- Leans on the index (action, id), and on the log's being short: some ten rows an hour.
WITH runs AS (
    SELECT id, action, outcome, started_at, finished_at
    FROM analytics_audit_log
    WHERE outcome <> 'dry run' AND action NOT LIKE '% %'
), successes AS (
    SELECT action, max(finished_at) AS succeeded_at
    FROM runs
    WHERE outcome = 'done'
    GROUP BY action
)
SELECT DISTINCT ON (action) action AS job, outcome, started_at, finished_at, succeeded_at
FROM runs
LEFT JOIN successes USING (action)
ORDER BY action, id DESC
