-- Adds up the counts of rollups by type and period.
-- $1 timeframes (text[]), $2 starts, $3 ends of spans of rollups of that timeframe (timestamptz[], half-open), $4 whether
-- frozen (boolean[]; null: both); $5 first moments of the periods, ascending (timestamptz[]): period n begins at $5[n]
-- Leans on the primary key.
SELECT event_type, width_bucket(timestamp, $5::timestamptz[]) AS period, CAST(sum(count) AS bigint) AS count
FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::boolean[])
    AS span (timeframe, start, finish, frozen)
JOIN analytics_aggregations AS part
    ON part.timeframe = span.timeframe
    AND part.timestamp >= span.start
    AND part.timestamp < span.finish
    AND (span.frozen IS NULL OR part.frozen = span.frozen)
GROUP BY event_type, period
