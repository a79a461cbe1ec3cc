-- Lists the parts of summaries in ranges of some timeframes, without their data.
-- $1 timeframes (text[]), $2 starts, $3 ends (timestamptz[], half-open)
-- Leans on the primary key.
SELECT part.timeframe, part.timestamp, part.version
FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) AS wanted (timeframe, start, finish)
JOIN analytics_summaries AS part
    ON part.timeframe = wanted.timeframe AND part.timestamp >= wanted.start AND part.timestamp < wanted.finish
