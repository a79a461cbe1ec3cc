-- Adds a ranking.
-- $1 timeframe, $2 whether frozen, $3 period (timestamptz), $4 its name, $5 kinds, $6 names (text[]), $7 counts, $8 amounts
-- (text of an array), $9 error (bigint)
INSERT INTO analytics_rankings (timeframe, frozen, timestamp, ranking, kinds, names, counts, amounts, error)
VALUES ($1, $2, $3, $4, $5, $6, CAST(CAST($7 AS text) AS bigint[]), CAST(CAST($8 AS text) AS numeric[]), $9)
