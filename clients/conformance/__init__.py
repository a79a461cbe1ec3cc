"""Runs every client against the real service behind faults, and checks that each accepted event is stored once."""
