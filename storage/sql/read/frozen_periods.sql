-- Tells which of some periods have a frozen rollup, and with each the oldest day that has one.
-- $1 timeframes (text[]), $2 first moments (timestamptz[])
-- Leans on the primary key.
SELECT timeframe, timestamp, (
    SELECT min(timestamp) FROM analytics_distinct_sketches WHERE timeframe = 'day' AND frozen
) AS oldest_day
FROM unnest($1::text[], $2::timestamptz[]) AS period (timeframe, timestamp)
JOIN analytics_distinct_sketches USING (timeframe, timestamp)
WHERE frozen
