"""The funnel: how many actors go through a sequence of steps."""
