-- Deletes parts of summaries; answers how many there were.
-- $1 timeframes (text[]), $2 first moments (timestamptz[]), $3 versions (uuid[])
-- Leans on the primary key.
WITH deleted AS (
    DELETE FROM analytics_summaries AS part
    USING unnest($1::text[], $2::timestamptz[], $3::uuid[]) AS wanted (timeframe, timestamp, version)
    WHERE part.timeframe = wanted.timeframe AND part.timestamp = wanted.timestamp AND part.version = wanted.version
    RETURNING 1
)
SELECT count(*) FROM deleted
