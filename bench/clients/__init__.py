"""Clients that load a service."""
