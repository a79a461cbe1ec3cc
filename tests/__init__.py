"""The tests: unit, integration (real Postgres), acceptance (real processes)."""
