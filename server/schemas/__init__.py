"""Answers questions about the event catalogue."""
