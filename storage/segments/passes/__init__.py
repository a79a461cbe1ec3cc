"""Passes over all segments: verifying every byte, and making all pseudonyms anew."""
