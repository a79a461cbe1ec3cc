-- Lists the parts of some periods, smallest first, with their bytes.
-- $1 timeframes (text[]), $2 first moments (timestamptz[])
-- Leans on the primary key; the length of data is known without reading them.
SELECT timeframe, timestamp, version, octet_length(data) AS bytes
FROM unnest($1::text[], $2::timestamptz[]) AS wanted (timeframe, timestamp)
JOIN analytics_summaries USING (timeframe, timestamp)
ORDER BY bytes, version
