"""A terminal that a service runs in and that a test closes, as when an ssh connection drops."""

import fcntl
import os
import pty
import signal
import subprocess
import termios
import threading
from pathlib import Path
from typing import Self

from tests.acceptance.running import Service

READ_BYTES = 65_536


class Terminal:
    """A pseudo terminal with one session in it; what is printed goes to a file, as the service's log does elsewhere.

    Args of the constructor:
        service: whose command, environment and log to use.
        shell: a command line of `sh` that runs the service as "$@"; the service itself leads the session where missing.
    """

    def __init__(self, service: Service, *, shell: str = "") -> None:
        self._service = service
        self._shell = shell
        self.process: subprocess.Popen[bytes] | None = None
        self._ours = -1
        self._reader = threading.Thread(target=self._read)
        self._stop_reading = threading.Event()

    def __enter__(self) -> Self:
        self._ours, theirs = pty.openpty()
        command = ["sh", "-c", self._shell, "sh", *self._service.arguments] if self._shell else self._service.arguments
        try:
            self.process = subprocess.Popen(
                command,
                env=self._service.environment,
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                start_new_session=True,
                preexec_fn=_take_terminal,  # noqa: PLW1509 - makes two system calls
            )
        finally:
            os.close(theirs)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def close(self) -> None:
        """Hang up: the session gets SIGHUP, and writing to the terminal fails from now on."""
        if self._ours >= 0:
            self._stop_reading.set()
            self._reader.join()
            os.close(self._ours)
            self._ours = -1

    def _read(self) -> None:
        """Copy what is printed into the service's log."""
        os.set_blocking(self._ours, False)
        log: Path = self._service.log
        with log.open("ab") as file:
            while not self._stop_reading.wait(0.02):
                try:
                    file.write(os.read(self._ours, READ_BYTES))
                except BlockingIOError:
                    continue
                except OSError:  # nobody has the other end any more
                    return
                file.flush()


def _take_terminal() -> None:
    """Make standard input the terminal that controls this session, whose end is not ignored as below nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
