-- Sums what the members of each acquisition cohort do, period by period, from the event on that makes them members.
-- An actor is in one cohort, that of its first such event ever; all its events are seen in one pass by actor.
-- Leans on the partitions' bounds; reads each event before {end} once.
WITH events AS (
    SELECT
        actor_id,
        timestamp,
        received_at,
        min(timestamp) FILTER (WHERE {step}) OVER (PARTITION BY actor_id) AS joined_at,
        CASE WHEN event_type = 'purchase' THEN event_data ->> 'currency' END AS currency,
        CASE WHEN event_type = 'purchase' THEN CAST(event_data ->> 'amount' AS numeric) END AS amount
    FROM analytics_events
    WHERE timestamp < {end}
), member_events AS (
    SELECT
        actor_id,
        width_bucket(joined_at, {bounds}) AS cohort,
        width_bucket(timestamp, {bounds}) AS period,
        currency,
        amount,
        received_at
    FROM events
    WHERE joined_at >= {start} AND timestamp >= joined_at
), member_periods AS (
    SELECT
        actor_id,
        cohort,
        period,
        currency,
        count(*) AS events,
        sum(amount) AS amount,
        max(received_at) AS as_of
    FROM member_events
    GROUP BY actor_id, cohort, period, currency
)
SELECT
    cohort,
    period,
    currency,
    GROUPING(currency) AS of_all,
    count(DISTINCT actor_id) AS users,
    CAST(sum(events) AS bigint) AS events,
    sum(amount) AS amount,
    max(as_of) AS as_of
FROM member_periods
GROUP BY GROUPING SETS ((cohort, period), (cohort, period, currency))
HAVING GROUPING(currency) = 1 OR currency IS NOT NULL
ORDER BY cohort, period, currency
