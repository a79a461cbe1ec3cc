-- Looks for the first events of actors in all raw events, and makes them their first sights; answers their hours.
-- $1 actors (bigint[])
-- Reads all raw events: it is asked only after events were removed.
WITH seen AS (
    SELECT hashtextextended(actor_id, 0) AS actor, min(timestamp) AS first_at
    FROM analytics_events
    WHERE hashtextextended(actor_id, 0) = ANY ($1::bigint[])
    GROUP BY actor
), saved AS (
    INSERT INTO analytics_first_sights (actor, first_at)
    SELECT actor, first_at
    FROM seen
    ON CONFLICT (actor) DO UPDATE SET first_at = excluded.first_at
    RETURNING first_at
)
SELECT DISTINCT date_bin(INTERVAL '1 hour', first_at, TIMESTAMPTZ '1970-01-01 00:00+00') AS hour
FROM saved
