"""The processes of the service: the parent, its workers, and what they share."""
