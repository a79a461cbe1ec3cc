-- Counts the views of contents, and the purchases of conversion paths and currencies, in groups of spans.
-- $1 starts, $2 ends of the spans (timestamptz[], half-open), ascending and apart, $3 the group of each (timestamptz[]);
-- $4 transactions (xid[]; null: all events), $5 whether the events that these have written are meant, or all others (boolean)
-- Leans on the partitions' bounds and the index (event_type, timestamp).
WITH views AS (
    SELECT
        span.time,
        event.*
    FROM unnest($1::timestamptz[], $2::timestamptz[], $3::timestamptz[]) AS span (start, finish, time)
    CROSS JOIN LATERAL (
        SELECT
            event_data ->> 'contentType' AS kind,
            event_data ->> 'contentId' AS name
        FROM analytics_events
        WHERE timestamp >= span.start AND timestamp < span.finish
            AND timestamp >= ($1::timestamptz[])[1] AND timestamp < ($2::timestamptz[])[cardinality($2)]
            AND ($4::xid[] IS NULL OR (xmin IN (SELECT unnest($4::xid[]))) = $5::boolean)
            AND event_type = 'view'
        OFFSET 0
    ) AS event
), purchases AS (
    SELECT
        span.time,
        event.*
    FROM unnest($1::timestamptz[], $2::timestamptz[], $3::timestamptz[]) AS span (start, finish, time)
    CROSS JOIN LATERAL (
        SELECT
            event_data ->> 'currency' AS kind,
            CAST(event_data -> 'conversionPath' AS text) AS name,
            (event_data -> 'amount')::numeric AS amount
        FROM analytics_events
        WHERE timestamp >= span.start AND timestamp < span.finish
            AND timestamp >= ($1::timestamptz[])[1] AND timestamp < ($2::timestamptz[])[cardinality($2)]
            AND ($4::xid[] IS NULL OR (xmin IN (SELECT unnest($4::xid[]))) = $5::boolean)
            AND event_type = 'purchase'
        OFFSET 0
    ) AS event
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
