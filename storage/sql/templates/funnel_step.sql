before_{step} AS (
    SELECT {carried}, {earlier}
    FROM step_{previous}
    WINDOW earlier AS (
        PARTITION BY actor_hash, actor_id
        ORDER BY timestamp, sequence, event_id
        ROWS BETWEEN {reach} PRECEDING AND 1 PRECEDING
    )
), step_{step} AS (
    SELECT {carried_on}, {completed}
    FROM before_{step}
    WHERE {useful}
),
