-- Locks the one row that whoever changes summaries locks, and reads it.
SELECT raw_from, hours_from, days_from, folds FROM analytics_horizon FOR UPDATE
