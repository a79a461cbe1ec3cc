"""Tests of the API gateway: the real Envoy in front of the real service."""
