-- Notes that the summaries have changed; whoever does so holds the lock.
UPDATE analytics_horizon SET folds = folds + 1
