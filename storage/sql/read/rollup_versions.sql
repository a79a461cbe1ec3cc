-- Lists the rollups of some periods, the transaction that wrote each, and how many events it counts: all of a period is
-- written anew together, so that who has read it knows whether it has changed.
-- $1 timeframes (text[]), $2 first moments (timestamptz[]), $3 whether frozen (boolean[]; null: both)
-- Leans on the primary keys.
SELECT
    timeframe,
    timestamp,
    wanted.frozen AS asked,
    sketch.frozen,
    CAST(CAST(sketch.xmin AS text) AS bigint) AS version,
    CAST((
        SELECT sum(part.count)
        FROM analytics_aggregations AS part
        WHERE part.timeframe = sketch.timeframe AND part.timestamp = sketch.timestamp AND part.frozen = sketch.frozen
    ) AS bigint) AS events
FROM unnest($1::text[], $2::timestamptz[], $3::boolean[]) AS wanted (timeframe, timestamp, frozen)
JOIN analytics_distinct_sketches AS sketch USING (timeframe, timestamp)
WHERE wanted.frozen IS NULL OR sketch.frozen = wanted.frozen
