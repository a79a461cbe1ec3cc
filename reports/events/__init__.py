"""The event list: stored events, newest first, page by page."""
