-- Counts the actors of each cohort that come back, by cell: 0 is the cohort itself, others are periods or brackets.
-- An actor is one row with its entries and returns, so nothing is joined: pairs are made on the spot. Before that come
-- marks, one a period (calendar) or a moment (rolling), which spare the arrays most events of the busy.
-- Leans on the partitions' bounds; reads each event between {read_from} and {read_to} once.
WITH events AS (
    SELECT
        actor_id,
        timestamp,
        received_at,
        {entry_step} AND timestamp >= {entries_from} AND timestamp < {entries_to} AS enters,
        {return_step} AND timestamp >= {returns_from} AS returns
    FROM analytics_events
    WHERE timestamp >= {read_from} AND timestamp < {read_to} AND ({entry_step} OR {return_step})
), marks AS (
    SELECT
        actor_id,
        {mark} AS mark,
        min(timestamp) FILTER (WHERE enters) AS entered_at,
        bool_or(returns) AS returned,
        max(received_at) AS as_of
    FROM events
    WHERE enters OR returns
    GROUP BY actor_id, {mark}
), actors AS (
    SELECT
        {entries} AS entries,
        array_agg(mark) FILTER (WHERE returned) AS marks,
        max(as_of) AS as_of
    FROM marks
    GROUP BY actor_id
    HAVING min(entered_at) >= {returns_from}
), members AS (
    {members}
)
SELECT cohort, cell, count(*) AS users, max(as_of) AS as_of
FROM members, LATERAL (
    SELECT 0 AS cell
    UNION ALL
    {cells}
) AS reached
WHERE cell IS NOT NULL
GROUP BY cohort, cell
ORDER BY cohort, cell
