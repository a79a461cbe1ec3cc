-- How far each actor gets through steps that follow each other: `attempts`, a row an actor.
-- storage.reports.funnel_sql fills it in and repeats funnel_step for each step after the first.
-- $1 start, $2 end of the entry, $3 end of what is read (timestamptz); $4 the window (interval); $5 the first entry that
-- may still convert (timestamptz). Further numbers are the values that the steps compare with.
-- Leans on the order of the partitions, or on (event_type, timestamp) for a rare type; one sort, by a hash of the actor
-- (ADR 14).
--
-- At an event that completes step k, s<k>_<j> is when its attempt took step j. The attempt is the latest that leads there:
-- b<j> is the newest s<k-1>_<j> among the actor's earlier events. These newest times belong to one attempt, since an
-- event never belongs to an older attempt than an event before it.
WITH events AS (
    SELECT hashtextextended(actor_id, 0) AS actor_hash, timestamp, sequence, event_id, actor_id, {facts}
    FROM analytics_events
    WHERE timestamp >= $1::timestamptz
        AND timestamp < $3::timestamptz
        AND {wanted}
    OFFSET 0  -- computes the columns here: the sort carries them and not the payloads
),
{preparations}step_1 AS (
    SELECT {carried}, CASE WHEN {is_entry} THEN timestamp END AS s1_1
    FROM {prepared}
),
{steps}actors AS (
    SELECT actor_id, {touch} AS value, max(s1_1) >= $5::timestamptz AS is_open, {firsts}
    FROM step_{count}
    GROUP BY actor_hash, actor_id
), attempts AS (
    SELECT actor_id, value, is_open, {reached} AS reached, {times}
    FROM actors
    WHERE s1_1 IS NOT NULL
)
