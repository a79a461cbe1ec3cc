"""Benchmarks: each prints machine, command, figures and ratios."""
