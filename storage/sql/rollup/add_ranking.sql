-- Adds a ranking.
-- $1 timeframe, $2 whether frozen, $3 period (timestamptz), $4 its name, $5 kinds, $6 names (text[]), $7 counts (bigint[]),
-- $8 amounts (numeric[]), $9 error (bigint)
INSERT INTO analytics_rankings (timeframe, frozen, timestamp, ranking, kinds, names, counts, amounts, error)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
