"""The event catalogue as callers ask about it."""
