-- Sums what the members of each acquisition cohort do, period by period, from the event on that makes them members.
-- An actor is in one cohort, that of its first such event ever. Its events are seen once, oldest first; the one that comes
-- after none of the same period, as a member, stands for the actor in that period's users.
-- Leans on the partitions' bounds; reads each event before {end} once; one sort, by a hash of the actor (ADR 14).
WITH events AS (
    SELECT
        hashtextextended(actor_id, 0) AS actor_hash,
        timestamp,
        received_at,
        actor_id,
        CASE WHEN {step} THEN timestamp END AS joining_at,
        CASE WHEN event_type = 'purchase' THEN event_data ->> 'currency' END AS currency,
        CASE WHEN event_type = 'purchase' THEN CAST(event_data ->> 'amount' AS numeric) END AS amount
    FROM analytics_events
    WHERE timestamp < {end}
    OFFSET 0  -- computes the columns here: the sort carries them and not the payloads
), seen AS (
    SELECT
        timestamp,
        received_at,
        currency,
        amount,
        min(joining_at) OVER so_far AS joined_at,
        lag(timestamp) OVER so_far AS previous_at
    FROM events
    WINDOW so_far AS (PARTITION BY actor_hash, actor_id ORDER BY timestamp)
), member_events AS (
    SELECT
        width_bucket(joined_at, {bounds}) AS cohort,
        width_bucket(timestamp, {bounds}) AS period,
        joined_at,
        previous_at,
        currency,
        amount,
        received_at
    FROM seen
    WHERE joined_at >= {start}
)
SELECT
    cohort,
    period,
    currency,
    count(CASE WHEN previous_at >= joined_at AND previous_at >= ({bounds})[period] THEN NULL ELSE 1 END) AS users,
    count(*) AS events,
    sum(amount) AS amount,
    max(received_at) AS as_of
FROM member_events
GROUP BY cohort, period, currency
