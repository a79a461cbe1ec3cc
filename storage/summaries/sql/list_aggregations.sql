-- Reads the aggregations of ranges of some timeframes.
-- $1 timeframes (text[]), $2 starts, $3 ends (timestamptz[], half-open)
-- Leans on the primary key.
SELECT aggregation.timeframe, aggregation.timestamp, aggregation.event_type, aggregation.count, aggregation.metadata
FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) AS wanted (timeframe, start, finish)
JOIN analytics_aggregations AS aggregation
    ON aggregation.timeframe = wanted.timeframe
    AND aggregation.timestamp >= wanted.start
    AND aggregation.timestamp < wanted.finish
