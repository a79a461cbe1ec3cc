-- Takes the deltas of some hours out of the queue; who does recomputes these hours in the same snapshot.
-- $1 hours (timestamptz[])
-- The queue is short, and read whole.
DELETE FROM analytics_aggregation_deltas WHERE hour = ANY ($1::timestamptz[])
