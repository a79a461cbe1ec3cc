-- Adds a sample of sessions.
-- $1 timeframe, $2 whether frozen, $3 period (timestamptz), $4 threshold (bigint), $5 keys (bigint[]), $6 whether inferred
-- (boolean[]), $7 first and $8 last events in microseconds since 1970 (bigint[])
INSERT INTO analytics_session_samples (timeframe, frozen, timestamp, threshold, keys, inferred, firsts, lasts)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
