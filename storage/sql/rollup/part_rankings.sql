-- Reads the rankings that make up longer periods; who reads them merges them.
-- $1 periods (timestamptz[]), and for each of them which sketches: $2 timeframes (text[]), $3 starts,
-- $4 ends (timestamptz[], half-open), $5 whether frozen (boolean[]; null: both)
-- Leans on the primary key.
WITH sources AS (
    SELECT time, timeframe, start, finish, frozen
    FROM unnest($1::timestamptz[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::boolean[])
        AS source (time, timeframe, start, finish, frozen)
)
SELECT sources.time, part.ranking, part.kinds, part.names, part.counts, part.amounts, part.error
FROM sources
JOIN analytics_rankings AS part
    ON part.timeframe = sources.timeframe
    AND part.timestamp >= sources.start
    AND part.timestamp < sources.finish
    AND (sources.frozen IS NULL OR part.frozen = sources.frozen)
