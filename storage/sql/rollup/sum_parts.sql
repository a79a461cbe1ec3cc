-- Adds rollups up into longer periods, by type; the maxima of the measure "max" stay maxima.
-- $1 periods to add up into (timestamptz[]), and for each of them which rollups: $2 timeframes (text[]), $3 starts,
-- $4 ends (timestamptz[], half-open), $5 whether frozen (boolean[]; null: both)
-- Leans on the primary key.
WITH sources AS (
    SELECT time, timeframe, start, finish, frozen
    FROM unnest($1::timestamptz[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::boolean[])
        AS source (time, timeframe, start, finish, frozen)
), parts AS (
    SELECT sources.time, part.event_type, part.count, part.metadata
    FROM sources
    JOIN analytics_aggregations AS part
        ON part.timeframe = sources.timeframe
        AND part.timestamp >= sources.start
        AND part.timestamp < sources.finish
        AND (sources.frozen IS NULL OR part.frozen = sources.frozen)
), counts AS (
    SELECT time, event_type, CAST(sum(count) AS bigint) AS count
    FROM parts
    GROUP BY time, event_type
), merged AS (
    SELECT
        time, event_type, measure, key,
        CASE WHEN measure = 'max' THEN max(CAST(value AS numeric)) ELSE sum(CAST(value AS numeric)) END AS value
    FROM parts
    CROSS JOIN LATERAL jsonb_each(metadata) AS measured (measure, keys)
    CROSS JOIN LATERAL jsonb_each_text(keys) AS entry (key, value)
    GROUP BY time, event_type, measure, key
), measures AS (
    SELECT time, event_type, measure, jsonb_object_agg(key, value) AS keys
    FROM merged
    GROUP BY time, event_type, measure
), documents AS (
    SELECT time, event_type, jsonb_object_agg(measure, keys) AS metadata
    FROM measures
    GROUP BY time, event_type
)
SELECT time, event_type, count, coalesce(metadata, '{}') AS metadata
FROM counts
LEFT JOIN documents USING (time, event_type)
ORDER BY time, event_type
