"""The spool: SQLite files in which accepted events wait while Postgres is away."""

from storage.spool.errors import SpoolFullError, SpoolUnwritableError
from storage.spool.pending import PendingGroup, read_pending, read_pending_groups
from storage.spool.spool import Spool, SpooledBatch, SpoolPending

__all__ = [
    "PendingGroup",
    "Spool",
    "SpoolFullError",
    "SpoolPending",
    "SpoolUnwritableError",
    "SpooledBatch",
    "read_pending",
    "read_pending_groups",
]
