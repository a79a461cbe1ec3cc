"""Checking summaries against the events that they are made of, and making them anew."""
