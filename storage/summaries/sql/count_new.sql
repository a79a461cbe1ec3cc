-- Counts the actors whose first sight lies in each range, as far as events are summarised.
-- $1 starts, $2 ends; $3, $4 starts and ends of the whole hours in them (timestamptz[], half-open)
-- Leans on the primary key of the hours, and on the index (first_at) for the parts of hours at both ends.
SELECT CAST(
    (SELECT coalesce(sum(count), 0) FROM analytics_new_actors WHERE hour >= hours_start AND hour < hours_end)
    + (SELECT count(*) FROM analytics_first_sights WHERE first_at >= start AND first_at < hours_start)
    + (SELECT count(*) FROM analytics_first_sights WHERE first_at >= hours_end AND first_at < finish)
AS bigint) AS count
FROM unnest($1::timestamptz[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[])
    WITH ORDINALITY AS span (start, finish, hours_start, hours_end, place)
ORDER BY place
