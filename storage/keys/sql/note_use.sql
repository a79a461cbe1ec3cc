-- Adds the events that a worker took with keys, and when it last saw each key.
-- $1 ids (text[]), $2 events of each (bigint[]), $3 their day (date, UTC), $4 the time (timestamptz); by the primary key
-- Rows are locked in the order of their ids, so that workers never wait for each other in a circle.
UPDATE analytics_keys AS keys
SET
    last_used_at = greatest(keys.last_used_at, $4),
    used_events = CASE WHEN keys.used_day = $3 THEN keys.used_events ELSE 0 END + used.events,
    used_day = $3
FROM (
    SELECT locked.id, given.events
    FROM analytics_keys AS locked
    JOIN unnest($1::text[], $2::bigint[]) AS given (id, events) ON given.id = locked.id
    ORDER BY locked.id
    FOR UPDATE OF locked
) AS used
WHERE keys.id = used.id
