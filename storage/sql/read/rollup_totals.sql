-- Reads rollups.
-- $1 timeframes (text[]), $2 first moments (timestamptz[]), $3 whether frozen (boolean[])
-- Leans on the primary key.
SELECT timeframe, timestamp, frozen, event_type, count, metadata
FROM unnest($1::text[], $2::timestamptz[], $3::boolean[]) AS wanted (timeframe, timestamp, frozen)
JOIN analytics_aggregations USING (timeframe, timestamp, frozen)
