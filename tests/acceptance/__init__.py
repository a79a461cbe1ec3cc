"""Tests of the real program, started and killed as an operator would."""
