-- Adds up the counts of summarised events by type and period of a series.
-- $1 timeframes (text[]), $2 starts, $3 ends of ranges of that timeframe (timestamptz[], half-open); $4 first moments of the
-- periods, ascending (timestamptz[]): period n begins at $4[n]
-- Leans on the primary key.
SELECT width_bucket(aggregation.timestamp, $4::timestamptz[]) AS period, event_type, CAST(sum(count) AS bigint) AS count
FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) AS wanted (timeframe, start, finish)
JOIN analytics_aggregations AS aggregation
    ON aggregation.timeframe = wanted.timeframe
    AND aggregation.timestamp >= wanted.start
    AND aggregation.timestamp < wanted.finish
GROUP BY period, event_type
