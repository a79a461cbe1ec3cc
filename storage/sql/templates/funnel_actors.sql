
SELECT actor_id, value, is_open, reached, {names}
FROM attempts
WHERE reached BETWEEN {least} AND {most}
ORDER BY actor_id COLLATE "C"
LIMIT {limit}
