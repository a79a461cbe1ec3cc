"""Summaries: what a dashboard needs of hours, days, weeks and months, in forms that add up."""
