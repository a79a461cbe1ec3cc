{name} AS (
    SELECT {carried}, {added}
    FROM {source}
    WINDOW {window} AS (
        PARTITION BY actor_hash, actor_id
        ORDER BY timestamp {direction}, sequence {direction}, event_id {direction}
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
),
