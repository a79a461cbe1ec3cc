"""A Postgres of our own: made, run, tuned and stopped by this program, from the binaries of one package."""

from storage.embedded.places import has_cluster
from storage.embedded.server import EmbeddedPostgres

__all__ = ["EmbeddedPostgres", "has_cluster"]
