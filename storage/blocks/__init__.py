"""Blocks: what one write transaction stores, as compressed columns in one row of `analytics_blocks`."""
