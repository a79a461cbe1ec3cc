-- Counts the actors that were seen first in a range, as far as it is folded; those without any id are not among them.
-- $1 start, $2 end; $3, $4 start and end of the whole hours in it (timestamptz, half-open)
-- Leans on the primary key of the hours, and on the index (first_at) for the parts of hours at both ends.
SELECT CAST(
    (SELECT coalesce(sum(count), 0) FROM analytics_new_actors WHERE hour >= $3 AND hour < $4)
    + (SELECT count(*) FROM analytics_first_sights WHERE first_at >= $1 AND first_at < $3)
    + (SELECT count(*) FROM analytics_first_sights WHERE first_at >= $4 AND first_at < $2)
AS bigint) AS count
