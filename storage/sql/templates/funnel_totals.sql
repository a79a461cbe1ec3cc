, timed AS (
    SELECT {place} AS place, value, is_open, reached, {seconds}
    FROM {source}
)
SELECT
    {place_shown} AS place, min(value) AS value,
    count(CASE WHEN is_open AND reached < {count} THEN 1 END) AS open_users, {figures}
FROM timed
GROUP BY {grouping}
ORDER BY place NULLS FIRST
