-- Brings first sights up to date with the raw events of a range: actors of whom none or a later one was known, and those
-- of whom it is known from an event that is not there any more. Answers the hours that first sights have left, and the
-- actors of whom no event is left in the range.
-- $1 start, $2 end (timestamptz, half-open), $3 hours of which all events are there (timestamptz[])
-- An actor is the 64 bits of the hash of hash partitioning, which Postgres keeps stable across versions. Events without
-- user and session are actors of their own, who never come back: the measure "actors" counts them.
-- Leans on the partitions' bounds, and on the primary key and the index (first_at) of the first sights.
WITH seen AS MATERIALIZED (
    SELECT hashtextextended(actor_id, 0) AS actor, min(timestamp) AS first_at
    FROM analytics_events
    WHERE timestamp >= $1 AND timestamp < $2 AND (user_id IS NOT NULL OR session_id IS NOT NULL)
    GROUP BY actor
), compared AS (
    SELECT seen.actor, seen.first_at, sight.first_at AS known_at
    FROM seen
    LEFT JOIN analytics_first_sights AS sight ON sight.actor = seen.actor
), found AS MATERIALIZED (
    SELECT actor, first_at, known_at
    FROM compared
    WHERE known_at IS NULL
        OR first_at < known_at
        OR first_at > known_at AND known_at >= $1
            AND date_bin(INTERVAL '1 hour', known_at, TIMESTAMPTZ '1970-01-01 00:00+00') = ANY ($3::timestamptz[])
), saved AS (
    INSERT INTO analytics_first_sights (actor, first_at)
    SELECT actor, first_at
    FROM found
    ON CONFLICT (actor) DO UPDATE SET first_at = excluded.first_at
), vanished AS (
    DELETE FROM analytics_first_sights
    WHERE first_at >= $1 AND first_at < $2
        AND date_bin(INTERVAL '1 hour', first_at, TIMESTAMPTZ '1970-01-01 00:00+00') = ANY ($3::timestamptz[])
        AND actor NOT IN (SELECT actor FROM seen)
    RETURNING actor
)
SELECT
    ARRAY(
        SELECT DISTINCT date_bin(INTERVAL '1 hour', known_at, TIMESTAMPTZ '1970-01-01 00:00+00')
        FROM found
        WHERE known_at IS NOT NULL
    ) AS hours,
    ARRAY(SELECT actor FROM vanished) AS vanished
