-- Makes the space of deleted rows free for new ones, while writers go on.
VACUUM analytics_rejected_events
