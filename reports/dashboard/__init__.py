"""The dashboard: figures of a range and of the one before, counted event by event or added up from summaries."""
