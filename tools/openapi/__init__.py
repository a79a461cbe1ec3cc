"""Writes the OpenAPI document of the REST interface from the protos and the catalogue."""
