"""Standard output and standard error of a service, whose readers may go away or stop reading."""

import os
import select
import stat
import sys

STDOUT = 1
STDERR = 2

WAIT_MS = 100
"""How long a line waits for a slow reader, once; until the reader takes a line again, further lines do not wait."""
CHUNK_BYTES = 4096
"""PIPE_BUF of Linux: a pipe that is ready takes so much without blocking."""


class Outlet:
    """Writes to a file descriptor without ever raising or blocking for long.

    A closed terminal, a pipe without a reader and a full disk lose the text that was to be written, and nothing else:
    a service does not fail because nobody reads its log.

    Example:
        >>> Outlet(1).write("")
        True
    """

    def __init__(self, descriptor: int) -> None:
        """Take the descriptor, which stays open and as it is: others may share it."""
        self._descriptor = descriptor
        # What others write meanwhile must not come in between where nothing can block.
        self._chunk_bytes = sys.maxsize if _is_file(descriptor) else CHUNK_BYTES
        self._ready = select.poll()
        self._ready.register(descriptor, select.POLLOUT)
        self._wait_ms = WAIT_MS

    def write(self, text: str) -> bool:
        """Write a string, and say whether all of it was written."""
        data = memoryview(text.encode(errors="backslashreplace"))
        try:
            while data:
                if not self._ready.poll(self._wait_ms):
                    self._wait_ms = 0
                    return False
                data = data[os.write(self._descriptor, data[: self._chunk_bytes]) :]
        except OSError:
            return False
        self._wait_ms = WAIT_MS
        return True

    def flush(self) -> None:
        """Do nothing: every string is written at once."""


def _is_file(descriptor: int) -> bool:
    try:
        return stat.S_ISREG(os.fstat(descriptor).st_mode)
    except OSError:  # it was closed before this program began
        return False
