"""The files of one segment, and their names."""

import os
import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SEGMENT_NAME = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.(?:log|lock)")


@dataclass(frozen=True, slots=True)
class SegmentFiles:
    """Where the parts of a segment lie: `<uuid>.log` and `<uuid>.lock`."""

    folder: Path
    segment_id: str

    @property
    def log(self) -> Path:
        """The groups; without it there is no segment."""
        return self.folder / f"{self.segment_id}.log"

    @property
    def lock(self) -> Path:
        """The claim."""
        return self.folder / f"{self.segment_id}.lock"

    def remove(self) -> None:
        """Remove the log; the caller holds the claim.

        Raises:
            OSError: the file system does not let us.
        """
        self.log.unlink(missing_ok=True)
        sync_folder(self.folder)

    def set_aside(self) -> None:
        """Keep the log for people, as `<uuid>.damaged`.

        Raises:
            OSError: the file system does not let us.
        """
        if self.log.exists():
            self.log.rename(self.folder / f"{self.segment_id}.damaged")
        sync_folder(self.folder)


def new_segment_id() -> str:
    """Make a UUID of version 7, so that segments sort by age."""
    milliseconds = time.time_ns() // 1_000_000
    random_bits = uuid.uuid4().int & ((1 << 80) - 1) & ~(0xF << 76)
    return str(uuid.UUID(int=milliseconds << 80 | 7 << 76 | random_bits))


def list_segments(folder: Path) -> Iterator[SegmentFiles]:
    """List what looks like segments or their remains, oldest first; nothing where there is no folder."""
    try:
        names = [path.name for path in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return
    for segment_id in sorted({match[1] for match in map(_SEGMENT_NAME.fullmatch, names) if match}):
        yield SegmentFiles(folder, segment_id)


def measure(folder: Path) -> int:
    """Sum the sizes of all files, what is damaged or set aside included."""
    total_bytes = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    total_bytes += measure(Path(entry.path))
                total_bytes += entry.stat(follow_symlinks=False).st_size
            except FileNotFoundError:
                continue  # its owner has just finished it
    return total_bytes


def sync_folder(folder: Path) -> None:
    """Make names that came or went outlast a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
