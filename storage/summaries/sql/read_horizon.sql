-- Reads from when on there are all raw events, hours and days, and how often the summaries have changed.
SELECT raw_from, hours_from, days_from, folds FROM analytics_horizon
