-- Sums the amounts of purchases by currency, exactly.
-- $1 start, $2 end (timestamptz)
-- Leans on the index (event_type, timestamp).
WITH purchases AS (
    SELECT event_data ->> 'currency' AS currency, CAST(event_data ->> 'amount' AS numeric) AS amount
    FROM analytics_events
    WHERE event_type = 'purchase' AND timestamp >= $1 AND timestamp < $2
)
SELECT currency, sum(amount) AS amount, count(*) AS orders
FROM purchases
GROUP BY currency
ORDER BY currency
