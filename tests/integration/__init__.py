"""Tests against a real Postgres and real gRPC channels."""
