"""The spool: logs in which accepted events wait while Postgres is away."""

from storage.spool.aside import SetAside, list_aside, read_aside
from storage.spool.errors import SpoolFullError, SpoolUnwritableError
from storage.spool.pending import PendingGroup, read_pending, read_pending_groups, read_pending_parts
from storage.spool.spool import MAX_EVENTS_PER_DRAIN, Spool, SpooledBatch, SpoolPending, put_back

__all__ = [
    "MAX_EVENTS_PER_DRAIN",
    "PendingGroup",
    "SetAside",
    "Spool",
    "SpoolFullError",
    "SpoolPending",
    "SpoolUnwritableError",
    "SpooledBatch",
    "list_aside",
    "put_back",
    "read_aside",
    "read_pending",
    "read_pending_groups",
    "read_pending_parts",
]
