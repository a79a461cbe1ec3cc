-- Marks a day as closed.
-- $1 day (date), $2 when (timestamptz)
INSERT INTO analytics_closed_days (day, closed_at) VALUES ($1, $2) ON CONFLICT DO NOTHING
