-- Reads parts of summaries.
-- $1 timeframes (text[]), $2 first moments (timestamptz[]), $3 versions (uuid[])
-- Leans on the primary key.
SELECT part.version, part.format, part.data
FROM unnest($1::text[], $2::timestamptz[], $3::uuid[]) AS wanted (timeframe, timestamp, version)
JOIN analytics_summaries AS part USING (timeframe, timestamp, version)
