-- Ranks the contents by views, and the conversion paths and currencies by purchases, of raw events in each UTC hour.
-- $1 start, $2 end (timestamptz, half-open), $3 how many to keep
-- The error is the greatest count left out. Ties are broken by hash: comparing texts takes longer.
-- Leans on the partitions' bounds and the index (event_type, timestamp).
WITH views AS (
    SELECT
        date_bin(INTERVAL '1 hour', timestamp, TIMESTAMPTZ '1970-01-01 00:00+00') AS time,
        event_data ->> 'contentType' AS kind,
        event_data ->> 'contentId' AS name
    FROM analytics_events
    WHERE timestamp >= $1 AND timestamp < $2 AND event_type = 'view'
), purchases AS (
    SELECT
        date_bin(INTERVAL '1 hour', timestamp, TIMESTAMPTZ '1970-01-01 00:00+00') AS time,
        event_data ->> 'currency' AS kind,
        CAST(event_data -> 'conversionPath' AS text) AS name,
        (event_data -> 'amount')::numeric AS amount
    FROM analytics_events
    WHERE timestamp >= $1 AND timestamp < $2 AND event_type = 'purchase'
), entries AS (
    SELECT time, 'content' AS ranking, kind, name, count(*) AS count, CAST(NULL AS numeric) AS amount
    FROM views
    WHERE name IS NOT NULL
    GROUP BY time, kind, name
    UNION ALL
    SELECT time, 'paths', kind, name, count(*), sum(amount)
    FROM purchases
    WHERE name IS NOT NULL
    GROUP BY time, kind, name
), placed AS (
    SELECT
        time, ranking, kind, name, count, amount,
        row_number() OVER (
            PARTITION BY time, ranking ORDER BY count DESC, hashtextextended(name, 0), kind, name
        ) AS place
    FROM entries
)
SELECT
    time,
    ranking,
    array_agg(kind ORDER BY place) FILTER (WHERE place <= $3) AS kinds,
    array_agg(name ORDER BY place) FILTER (WHERE place <= $3) AS names,
    array_agg(count ORDER BY place) FILTER (WHERE place <= $3) AS counts,
    array_agg(amount ORDER BY place) FILTER (WHERE place <= $3) AS amounts,
    coalesce(max(count) FILTER (WHERE place > $3), 0) AS error
FROM placed
GROUP BY time, ranking
