-- Reads aggregations.
-- $1 timeframes (text[]), $2 first moments (timestamptz[]), $3 event types (text[])
-- Leans on the primary key.
SELECT timeframe, timestamp, event_type, count, metadata
FROM unnest($1::text[], $2::timestamptz[], $3::text[]) AS wanted (timeframe, timestamp, event_type)
JOIN analytics_aggregations USING (timeframe, timestamp, event_type)
