-- How many different steps each actor takes, in whatever order: `attempts`, a row an actor.
-- storage.reports.funnel_sql fills it in. Parameters and index as in funnel_ordered.
--
-- n<set>_<m> at an event is when the m-th later event comes that fits any step of the set. c<k> is when the actor, from
-- this event on, has taken another step: c1, c2 ... in no order. Each by an event of its own, so where one event may fit
-- several steps, by Hall's theorem, the k-th of them is taken when each set of steps has had the events that k needs.
WITH events AS (
    SELECT hashtextextended(actor_id, 0) AS actor_hash, timestamp, sequence, event_id, actor_id, {facts}
    FROM analytics_events
    WHERE timestamp >= $1::timestamptz
        AND timestamp < $3::timestamptz
        AND {wanted}
    OFFSET 0  -- computes the columns here: the sort carries them and not the payloads
),
{preparations}chances AS (
    SELECT {carried}, {is_entry} AS is_entry, {chances}
    FROM {prepared}
), completions AS (
    SELECT
        {carried}, is_entry, {names},
        CASE WHEN is_entry THEN {reached} END AS reached, {finished} AS finished
    FROM chances
), ranked AS (
    SELECT
        {carried}, is_entry, {names}, reached,
        row_number() OVER (
            PARTITION BY actor_hash, actor_id
            ORDER BY coalesce(reached, 0) DESC, finished, timestamp DESC, sequence DESC, event_id DESC
        ) AS place
    FROM completions
), actors AS (
    SELECT
        actor_hash, actor_id, {touch} AS value, max(CASE WHEN is_entry THEN timestamp END) >= $5::timestamptz AS is_open,
        max(reached) AS reached, {best}
    FROM ranked
    GROUP BY actor_hash, actor_id
), taken AS (
    SELECT
        actor_hash, actor_id, value, is_open, reached, taken_at,
        row_number() OVER (PARTITION BY actor_hash, actor_id ORDER BY taken_at) AS step
    FROM (
        SELECT actor_hash, actor_id, value, is_open, reached, CASE number {by_number} END AS taken_at
        FROM actors CROSS JOIN (VALUES {numbers}) AS numbers (number)
        WHERE reached IS NOT NULL
    ) AS unsorted
), attempts AS (
    SELECT actor_id, value, is_open, reached, {times}
    FROM taken
    GROUP BY actor_hash, actor_id, value, is_open, reached
)
