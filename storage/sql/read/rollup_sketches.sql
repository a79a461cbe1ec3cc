-- Reads the sketches of the actors and of the live streams of some rollups.
-- $1 timeframes (text[]), $2 first moments (timestamptz[]), $3 whether frozen (boolean[])
-- Leans on the primary key.
SELECT timeframe, timestamp, frozen, actors, streams
FROM unnest($1::text[], $2::timestamptz[], $3::boolean[]) AS wanted (timeframe, timestamp, frozen)
JOIN analytics_distinct_sketches USING (timeframe, timestamp, frozen)
