-- Counts the views of contents, and the purchases of conversion paths and currencies, in each UTC hour.
-- $1 start, $2 end (timestamptz, half-open)
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
    WHERE kind IS NOT NULL AND name IS NOT NULL
    GROUP BY time, kind, name
    UNION ALL
    SELECT time, 'paths', kind, name, count(*), sum(amount)
    FROM purchases
    WHERE kind IS NOT NULL AND name IS NOT NULL
    GROUP BY time, kind, name
)
SELECT
    time,
    ranking,
    array_agg(kind) AS kinds,
    array_agg(name) AS names,
    array_agg(count) AS counts,
    array_agg(amount) AS amounts,
    0 AS error
FROM entries
GROUP BY time, ranking
