"""The rows that reports are made of."""
