"""The way of events into the database: queue, batches, transactions, and the drain of the spool."""
