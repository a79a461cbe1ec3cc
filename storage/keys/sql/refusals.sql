-- Reads the counts of refused calls.
SELECT reason, calls FROM analytics_refused_calls ORDER BY reason
