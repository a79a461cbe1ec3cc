-- Adds a sample of sessions.
-- $1 timeframe, $2 whether frozen, $3 period (timestamptz), $4 threshold (bigint), $5 keys, $6 whether inferred, $7 first and
-- $8 last events in microseconds since 1970 (texts of arrays)
INSERT INTO analytics_session_samples (timeframe, frozen, timestamp, threshold, keys, inferred, firsts, lasts)
VALUES (
    $1, $2, $3, $4,
    CAST(CAST($5 AS text) AS bigint[]),
    CAST(CAST($6 AS text) AS boolean[]),
    CAST(CAST($7 AS text) AS bigint[]),
    CAST(CAST($8 AS text) AS bigint[])
)
