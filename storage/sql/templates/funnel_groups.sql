, sized AS (
    SELECT value, is_open, reached, {names}, count(*) OVER (PARTITION BY value) AS size
    FROM attempts
), placed AS (
    SELECT value, is_open, reached, {names}, dense_rank() OVER (ORDER BY size DESC, value COLLATE "C") AS place
    FROM sized
)
