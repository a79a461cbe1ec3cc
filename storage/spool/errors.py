"""What can go wrong with the spool."""

from typing import ClassVar

from storage.postgres.errors import StorageUnavailableError


class SpoolFullError(StorageUnavailableError):
    """The spool holds as much as it may; the same events are worth sending again when it has been drained."""

    reason: ClassVar[str] = "SPOOL_FULL"


class SpoolUnwritableError(StorageUnavailableError):
    """The file system does not take what the spool writes: it is full, read-only or broken, or the spool is closed."""

    reason: ClassVar[str] = "SPOOL_UNWRITABLE"


class DamagedGroupError(Exception):
    """A group is not what was written; never leaves the spool."""
