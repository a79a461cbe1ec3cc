-- Lists the rollups of some periods, and the transaction that wrote each: all of a period is written anew together, so
-- that who has read it knows whether it has changed.
-- $1 timeframes (text[]), $2 first moments (timestamptz[]), $3 whether frozen (boolean[]; null: both)
-- Leans on the primary key.
SELECT timeframe, timestamp, wanted.frozen AS asked, sketch.frozen, CAST(CAST(sketch.xmin AS text) AS bigint) AS version
FROM unnest($1::text[], $2::timestamptz[], $3::boolean[]) AS wanted (timeframe, timestamp, frozen)
JOIN analytics_distinct_sketches AS sketch USING (timeframe, timestamp)
WHERE wanted.frozen IS NULL OR sketch.frozen = wanted.frozen
