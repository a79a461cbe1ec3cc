-- Forgets that a day was closed.
-- $1 day (date)
-- Leans on the primary key.
DELETE FROM analytics_closed_days WHERE day = $1
