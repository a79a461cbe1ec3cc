-- Forgets when actors were seen first.
-- $1 actors (bigint[])
-- Leans on the primary key. Whoever does so holds the lock of the horizon, and counts the hours anew.
DELETE FROM analytics_first_sights WHERE actor = ANY ($1::bigint[])
