-- Reads the samples of sessions of some rollups.
-- $1 timeframes (text[]), $2 first moments (timestamptz[]), $3 whether frozen (boolean[])
-- Leans on the primary key.
SELECT timeframe, timestamp, frozen, threshold, keys, inferred, firsts, lasts
FROM unnest($1::text[], $2::timestamptz[], $3::boolean[]) AS wanted (timeframe, timestamp, frozen)
JOIN analytics_session_samples USING (timeframe, timestamp, frozen)
