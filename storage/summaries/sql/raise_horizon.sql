-- Moves the horizon on, never back.
-- $1 from when on there are all raw events, $2 hours, $3 days (timestamptz; null: as it is)
UPDATE analytics_horizon
SET raw_from = greatest(raw_from, $1::timestamptz),
    hours_from = greatest(hours_from, $2::timestamptz),
    days_from = greatest(days_from, $3::timestamptz)
