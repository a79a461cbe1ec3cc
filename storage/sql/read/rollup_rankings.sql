-- Reads the rankings of some rollups.
-- $1 timeframes (text[]), $2 first moments (timestamptz[]), $3 whether frozen (boolean[])
-- Leans on the primary key.
SELECT timeframe, timestamp, frozen, ranking, kinds, names, counts, amounts, error
FROM unnest($1::text[], $2::timestamptz[], $3::boolean[]) AS wanted (timeframe, timestamp, frozen)
JOIN analytics_rankings USING (timeframe, timestamp, frozen)
