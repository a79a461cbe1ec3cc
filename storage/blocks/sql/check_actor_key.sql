-- Keeps the check value of the first key that comes; answers the one that is kept.
-- $1 check value of the caller's key (text)
-- Leans on the primary key, which allows one row.
INSERT INTO analytics_actor_key AS kept (is_only, check_value)
VALUES (true, $1)
ON CONFLICT (is_only) DO UPDATE SET check_value = kept.check_value
RETURNING check_value
