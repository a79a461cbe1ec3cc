-- Tells who and what there was in groups of spans: the distinct actors and live streams, and when each session was active.
-- $1 starts, $2 ends of the spans (timestamptz[], half-open), ascending and apart, $3 the group of each (timestamptz[]);
-- $4 transactions (xid[]; null: all events), $5 whether the events that these have written are meant, or all others (boolean)
-- All are hashed to 64 bits by the hash of hash partitioning, which Postgres keeps stable across versions. A session is
-- identified by its id; events without one belong to sessions of their actor, which the caller derives from the half hours
-- in which it was active: events of one half hour are never 30 minutes apart. Times are microseconds from that of the group.
-- Leans on the partitions' bounds, and is one pass over the rows.
WITH events AS MATERIALIZED (
    SELECT
        span.time,
        event.*
    FROM unnest($1::timestamptz[], $2::timestamptz[], $3::timestamptz[]) AS span (start, finish, time)
    CROSS JOIN LATERAL (
        SELECT
            timestamp,
            hashtextextended(actor_id, 0) AS actor,
            hashtextextended(coalesce(session_id, actor_id), CAST(session_id IS NULL AS integer)) AS session,
            CASE
                WHEN session_id IS NULL
                    THEN date_bin(INTERVAL '30 minutes', timestamp, TIMESTAMPTZ '1970-01-01 00:00+00')
            END AS half,
            CASE WHEN event_type = 'stream' THEN hashtextextended(event_data ->> 'streamId', 0) END AS stream
        FROM analytics_events
        WHERE timestamp >= span.start AND timestamp < span.finish
            AND timestamp >= ($1::timestamptz[])[1] AND timestamp < ($2::timestamptz[])[cardinality($2)]
            AND ($4::xid[] IS NULL OR (xmin IN (SELECT unnest($4::xid[]))) = $5::boolean)
        OFFSET 0
    ) AS event
), actors AS (
    SELECT time, array_agg(actor) AS actors
    FROM (SELECT DISTINCT time, actor FROM events) AS seen
    GROUP BY time
), streams AS (
    SELECT time, array_agg(stream) AS streams
    FROM (SELECT DISTINCT time, stream FROM events WHERE stream IS NOT NULL) AS seen
    GROUP BY time
), active AS (
    SELECT time, session, half IS NOT NULL AS inferred, min(timestamp) - time AS first_at, max(timestamp) - time AS last_at
    FROM events
    GROUP BY time, session, half
), sessions AS (
    SELECT
        time,
        array_agg(session) AS sessions,
        array_agg(inferred) AS inferred,
        array_agg(CAST(round(1000000 * date_part('epoch', first_at)) AS bigint)) AS firsts,
        array_agg(CAST(round(1000000 * date_part('epoch', last_at)) AS bigint)) AS lasts
    FROM active
    GROUP BY time
)
SELECT time, actors, coalesce(streams, '{}') AS streams, sessions, inferred, firsts, lasts
FROM actors
JOIN sessions USING (time)
LEFT JOIN streams USING (time)
