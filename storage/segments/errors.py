"""What can go wrong with segments. Every message names the segment."""

from typing import ClassVar

from storage.postgres.errors import StorageError


class SegmentError(StorageError):
    """A segment cannot be read."""

    reason: ClassVar[str] = "SEGMENT_UNREADABLE"


class SegmentDamagedError(SegmentError):
    """A segment's bytes are not those that were written."""

    reason: ClassVar[str] = "SEGMENT_DAMAGED"


class UnknownSegmentFormatError(SegmentError):
    """A newer program wrote this segment."""

    reason: ClassVar[str] = "SEGMENT_FORMAT"


class SegmentMissingError(SegmentError):
    """The place does not have a segment's bytes: it was replaced and swept, or the place lost it."""

    reason: ClassVar[str] = "SEGMENT_MISSING"


class ColumnsClashError(SegmentError):
    """Two segments have columns of one name whose types do not go together."""

    reason: ClassVar[str] = "COLUMNS_CLASH"
