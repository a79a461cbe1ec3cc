-- Aggregates the raw events of groups of spans by type: the one definition of what a rollup's count and metadata hold.
-- $1 starts, $2 ends of the spans (timestamptz[], half-open), ascending and apart, $3 the group of each (timestamptz[]);
-- $4 transactions (xid[]; null: all events), $5 whether the events that these have written are meant, or all others (boolean)
-- Metadata has two levels, a measure and its keys. Every number is a sum, so rollups merge by adding; but those of the
-- measure "max", which are maxima: viewers, and receivedAt in microseconds since 1970.
-- viewDurations counts views by length: bucket i holds seconds above g^(i-1) and up to g^i, g = 1.01 / 0.99, so that its
-- middle, 2 g^i / (g + 1), is at most 1 % from any of them (DDSketch, Masson et al. 2019). Less than 1 ms counts as 1 ms.
-- Leans on the partitions' bounds: one pass over the rows, two over what is taken from them.
WITH events AS MATERIALIZED (
    SELECT
        span.time,
        event.*
    FROM unnest($1::timestamptz[], $2::timestamptz[], $3::timestamptz[]) AS span (start, finish, time)
    CROSS JOIN LATERAL (
        SELECT
            event_type,
            received_at,
            user_id IS NULL AND session_id IS NULL AS is_anonymous,
            coalesce(platform, '') AS platform,
            CASE WHEN event_type = 'purchase' THEN event_data ->> 'currency' END AS currency,
            CASE WHEN event_type = 'purchase' THEN (event_data -> 'amount')::numeric END AS amount,
            CASE WHEN event_type = 'view' THEN (event_data -> 'viewDuration')::numeric END AS view_duration,
            CASE WHEN event_type = 'stream' THEN (event_data -> 'watchDuration')::numeric END AS watch_duration,
            CASE WHEN event_type = 'stream' THEN (event_data -> 'viewerCount')::numeric END AS viewers,
            event_type = 'session' AND event_data ->> 'action' = 'start' AS starts_session
        FROM analytics_events
        WHERE timestamp >= span.start AND timestamp < span.finish
            AND timestamp >= ($1::timestamptz[])[1] AND timestamp < ($2::timestamptz[])[cardinality($2)]
            AND ($4::xid[] IS NULL OR (xmin IN (SELECT unnest($4::xid[]))) = $5::boolean)
        OFFSET 0
    ) AS event
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
        sum(viewers) AS viewers,
        nullif(count(viewers), 0) AS viewer_counts,
        max(viewers) AS most_viewers,
        max(received_at) AS received_at,
        nullif(count(*) FILTER (WHERE is_anonymous), 0) AS anonymous,
        nullif(count(*) FILTER (WHERE starts_session), 0) AS sessions_started
    FROM events
    GROUP BY time, event_type, platform, currency
), lengths AS (
    SELECT
        time,
        event_type,
        CAST(ceil(ln(greatest(CAST(view_duration AS double precision), 0.001))
            / ln(CAST(1.01 / 0.99 AS double precision))) AS integer) AS bucket
    FROM events
    WHERE view_duration IS NOT NULL
), entries AS (
    SELECT time, event_type, measure, key, value
    FROM groups
    CROSS JOIN LATERAL (
        VALUES
            ('platforms', platform, CAST(events AS numeric)),
            ('actors', 'anonymous', anonymous),
            ('revenue', currency, amount),
            ('orders', currency, events),
            ('viewDuration', 'sum', view_seconds),
            ('viewDuration', 'count', views_timed),
            ('watchDuration', 'sum', watch_seconds),
            ('watchDuration', 'count', watches_timed),
            ('viewers', 'sum', viewers),
            ('viewers', 'count', viewer_counts),
            ('max', 'viewers', most_viewers),
            ('max', 'receivedAt', floor(1000000 * extract(epoch FROM received_at))),
            ('sessions', 'started', sessions_started)
    ) AS entry (measure, key, value)
    WHERE key IS NOT NULL AND value IS NOT NULL
    UNION ALL
    SELECT time, event_type, 'viewDurations', CAST(bucket AS text), CAST(count(*) AS numeric)
    FROM lengths
    GROUP BY time, event_type, bucket
), merged AS (
    SELECT
        time, event_type, measure, key,
        CASE WHEN measure = 'max' THEN max(value) ELSE sum(value) END AS value
    FROM entries
    GROUP BY time, event_type, measure, key
), measures AS (
    SELECT time, event_type, measure, jsonb_object_agg(key, value) AS keys
    FROM merged
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
