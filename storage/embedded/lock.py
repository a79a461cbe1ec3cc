"""Who owns a data directory: the process that holds its lock, until it dies or lets go."""

import fcntl
import os
from pathlib import Path


class OwnerLock:
    """A file lock (flock) that the kernel frees when its holder dies, with a note of what the holder runs."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lock unless another process has it, and say whether we have it now."""
        if self._descriptor is not None:
            return True
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        self.note(None)
        return True

    def note(self, postmaster: int | None) -> None:
        """Leave our pid and that of a Postgres that is ready (None: there is none yet) for others to read."""
        if self._descriptor is None:
            raise RuntimeError("only the holder of a lock may write to it")
        text = f"{os.getpid()} {postmaster or 0}\n".encode()
        os.pwrite(self._descriptor, text, 0)
        os.ftruncate(self._descriptor, len(text))

    def read(self) -> tuple[int, int]:
        """Read the holder's pid and that of its Postgres; 0 where there is none."""
        try:
            owner, postmaster = self._path.read_text().split()
            return int(owner), int(postmaster)
        except (FileNotFoundError, ValueError):
            return 0, 0  # just now being written

    def release(self) -> None:
        """Let go; does nothing when the lock is not ours. The file stays: removing it would allow two holders."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
