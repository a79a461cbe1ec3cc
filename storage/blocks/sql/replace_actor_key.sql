-- Notes which key makes the pseudonyms from now on.
-- $1 check value of the key (text)
-- Leans on the primary key, which allows one row.
INSERT INTO analytics_actor_key (is_only, check_value)
VALUES (true, $1)
ON CONFLICT (is_only) DO UPDATE SET check_value = excluded.check_value
