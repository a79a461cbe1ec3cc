-- Finds the actors whose first event, of all that are not folded, is earlier than what is known of them.
-- $1 starts, $2 ends of the spans (timestamptz[], half-open), ascending and apart; $3 transactions (xid[]; null: all events),
-- $4 whether the events that these have written are meant, or all others (boolean)
-- Leans on the partitions' bounds, and on the primary key of the first sights.
WITH seen AS (
    SELECT actor, min(timestamp) AS first_at
    FROM unnest($1::timestamptz[], $2::timestamptz[]) AS span (start, finish)
    CROSS JOIN LATERAL (
        SELECT hashtextextended(actor_id, 0) AS actor, timestamp
        FROM analytics_events
        WHERE timestamp >= span.start AND timestamp < span.finish
            AND timestamp >= ($1::timestamptz[])[1] AND timestamp < ($2::timestamptz[])[cardinality($2)]
            AND ($3::xid[] IS NULL OR (xmin IN (SELECT unnest($3::xid[]))) = $4::boolean)
            AND (user_id IS NOT NULL OR session_id IS NOT NULL)
        OFFSET 0
    ) AS event
    GROUP BY actor
)
SELECT actor, seen.first_at, sight.first_at AS known_at
FROM seen
LEFT JOIN analytics_first_sights AS sight USING (actor)
WHERE sight.first_at IS NULL OR seen.first_at < sight.first_at
