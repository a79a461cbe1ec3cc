"""Chaos: real processes under load are killed, frozen and cut off, and every acknowledged event is counted afterwards.

Run it with `make chaos`, or `python -m tests.chaos --list` to see what there is.
"""
