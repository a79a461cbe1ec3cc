-- Lists, among some days, those that are closed: their hours are frozen, whatever their partition still holds.
-- $1 days (date[])
-- Leans on the primary key.
SELECT day FROM analytics_closed_days WHERE day = ANY ($1::date[])
