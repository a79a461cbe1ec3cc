-- Aggregates raw events by UTC hour and type: the one definition of what a rollup holds.
-- $1 start, $2 end (timestamptz, half-open)
-- Metadata has two levels, a measure and its keys, and every number is a sum: rollups merge by adding.
-- Leans on the partitions' bounds and the index (event_type, timestamp).
WITH events AS (
    SELECT
        date_bin(INTERVAL '1 hour', timestamp, TIMESTAMPTZ '1970-01-01 00:00+00') AS time,
        event_type,
        coalesce(platform, '') AS platform,
        CASE WHEN event_type = 'purchase' THEN event_data ->> 'currency' END AS currency,
        CASE WHEN event_type = 'purchase' THEN CAST(event_data ->> 'amount' AS numeric) END AS amount,
        CASE WHEN event_type = 'view' THEN CAST(event_data ->> 'viewDuration' AS numeric) END AS view_duration,
        CASE WHEN event_type = 'stream' THEN CAST(event_data ->> 'watchDuration' AS numeric) END AS watch_duration,
        event_type = 'session' AND event_data ->> 'action' = 'start' AS starts_session
    FROM analytics_events
    WHERE timestamp >= $1 AND timestamp < $2
), groups AS (
    SELECT
        time,
        event_type,
        platform,
        currency,
        count(*) AS events,
        sum(amount) AS amount,
        sum(view_duration) AS view_seconds,
        nullif(count(view_duration), 0) AS views_timed,
        sum(watch_duration) AS watch_seconds,
        nullif(count(watch_duration), 0) AS watches_timed,
        nullif(count(*) FILTER (WHERE starts_session), 0) AS sessions_started
    FROM events
    GROUP BY time, event_type, platform, currency
), sums AS (
    SELECT time, event_type, measure, key, sum(value) AS value
    FROM groups
    CROSS JOIN LATERAL (
        VALUES
            ('platforms', platform, CAST(events AS numeric)),
            ('revenue', currency, amount),
            ('orders', currency, events),
            ('viewDuration', 'sum', view_seconds),
            ('viewDuration', 'count', views_timed),
            ('watchDuration', 'sum', watch_seconds),
            ('watchDuration', 'count', watches_timed),
            ('sessions', 'started', sessions_started)
    ) AS entry (measure, key, value)
    WHERE key IS NOT NULL AND value IS NOT NULL
    GROUP BY time, event_type, measure, key
), measures AS (
    SELECT time, event_type, measure, jsonb_object_agg(key, value) AS keys
    FROM sums
    GROUP BY time, event_type, measure
), documents AS (
    SELECT time, event_type, jsonb_object_agg(measure, keys) AS metadata
    FROM measures
    GROUP BY time, event_type
), counts AS (
    SELECT time, event_type, CAST(sum(events) AS bigint) AS count
    FROM groups
    GROUP BY time, event_type
)
SELECT time, event_type, count, metadata
FROM counts
JOIN documents USING (time, event_type)
ORDER BY time, event_type
