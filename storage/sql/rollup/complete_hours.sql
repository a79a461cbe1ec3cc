-- Selects the hours that still have all their raw events: those without a frozen rollup.
-- $1 hours (timestamptz[])
-- Leans on the primary key. A week holds for its other days, too, once the days of it are dropped.
SELECT hour
FROM unnest($1::timestamptz[]) AS asked (hour)
WHERE NOT EXISTS (
    SELECT 1
    FROM (VALUES ('hour'), ('day'), ('week')) AS length (timeframe)
    JOIN analytics_aggregations AS rollup
        ON rollup.timeframe = length.timeframe
        AND rollup.timestamp = date_trunc(length.timeframe, asked.hour, 'UTC')
        AND rollup.frozen
)
