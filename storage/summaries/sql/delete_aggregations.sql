-- Deletes the aggregations of some periods.
-- $1 timeframes (text[]), $2 first moments (timestamptz[])
-- Leans on the primary key.
DELETE FROM analytics_aggregations AS aggregation
USING unnest($1::text[], $2::timestamptz[]) AS wanted (timeframe, timestamp)
WHERE aggregation.timeframe = wanted.timeframe AND aggregation.timestamp = wanted.timestamp
