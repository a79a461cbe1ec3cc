"""The JSON form of events: bodies read within bounds, faults found, schemas written."""
