-- Reads when actors were seen first, of those that are known, in microseconds since 1970.
-- $1 actors (bigint[])
-- Leans on the primary key.
SELECT actor, CAST(extract(epoch FROM first_at) * 1000000 AS bigint) AS first_us
FROM unnest($1::bigint[]) AS wanted (actor)
JOIN analytics_first_sights USING (actor)
