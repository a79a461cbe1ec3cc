-- Adds the rankings of rollups up into those of longer periods.
-- $1 periods to add up into (timestamptz[]), and for each of them which rollups: $2 timeframes (text[]), $3 starts,
-- $4 ends (timestamptz[], half-open), $5 whether frozen (boolean[]; null: both); $6 how many to keep
-- What a count may lack is the sum of what it may lack in each part, so errors add up, and the greatest count left out.
-- Leans on the primary key.
WITH sources AS (
    SELECT time, timeframe, start, finish, frozen
    FROM unnest($1::timestamptz[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::boolean[])
        AS source (time, timeframe, start, finish, frozen)
), parts AS (
    SELECT sources.time, part.ranking, part.kinds, part.names, part.counts, part.amounts, part.error
    FROM sources
    JOIN analytics_rankings AS part
        ON part.timeframe = sources.timeframe
        AND part.timestamp >= sources.start
        AND part.timestamp < sources.finish
        AND (sources.frozen IS NULL OR part.frozen = sources.frozen)
), errors AS (
    SELECT time, ranking, sum(error) AS error
    FROM parts
    GROUP BY time, ranking
), entries AS (
    SELECT time, ranking, kind, name, CAST(sum(count) AS bigint) AS count, sum(amount) AS amount
    FROM parts
    CROSS JOIN LATERAL unnest(kinds, names, counts, amounts) AS entry (kind, name, count, amount)
    GROUP BY time, ranking, kind, name
), placed AS (
    SELECT
        time, ranking, kind, name, count, amount,
        row_number() OVER (
            PARTITION BY time, ranking ORDER BY count DESC, hashtextextended(name, 0), kind, name
        ) AS place
    FROM entries
), kept AS (
    SELECT
        time,
        ranking,
        array_agg(kind ORDER BY place) FILTER (WHERE place <= $6) AS kinds,
        array_agg(name ORDER BY place) FILTER (WHERE place <= $6) AS names,
        array_agg(count ORDER BY place) FILTER (WHERE place <= $6) AS counts,
        array_agg(amount ORDER BY place) FILTER (WHERE place <= $6) AS amounts,
        coalesce(max(count) FILTER (WHERE place > $6), 0) AS left_out
    FROM placed
    GROUP BY time, ranking
)
SELECT time, ranking, kinds, names, counts, amounts, CAST(error + left_out AS bigint) AS error
FROM kept
JOIN errors USING (time, ranking)
