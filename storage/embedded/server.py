"""The embedded Postgres: started as a child of this process, found again by others, stopped and taken over."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from storage.embedded.cluster import make_cluster, remove_unfinished, require_same_major, write_configuration
from storage.embedded.identity import choose_identity, postgres_environment
from storage.embedded.lock import OwnerLock
from storage.embedded.places import PORT, PidFile, Places, program, socket_folder, socket_url
from storage.embedded.processes import FAST_STOP_S, HARD_STOP_S, end_leftovers
from storage.postgres.errors import EmbeddedPostgresError

START_TIMEOUT_S = 60.0
"""How long a start may go without any sign of progress."""
POLL_S = 0.02
MAX_LOG_BYTES = 10 * 1024 * 1024
"""At this size the log becomes the old log; there are never more than the two."""
LOG_LINES_SHOWN = 5

_log = structlog.get_logger(__name__)


class EmbeddedPostgres:
    """A Postgres in `data_dir`, run by the first process that starts it and used by all others.

    The thread that calls `start` must outlive the use of it: the kernel stops Postgres when that thread ends, which is
    how a kill -9 of this process takes Postgres along (Linux; elsewhere the next start takes over what is left).

    Example:
        >>> with EmbeddedPostgres(Path(".analytics")) as postgres:
        ...     connection = await asyncpg.connect(postgres.url)
    """

    def __init__(self, data_dir: Path) -> None:
        self._places = Places.under(data_dir)
        self._lock = OwnerLock(self._places.lock)
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""
        """Where the database is, once started."""
        self.owned = False
        """Whether this object runs the server, rather than having found it running."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> str:
        """Start Postgres, or find the one that another process runs; return the database's URL. Blocks until ready.

        Idempotent, and to be called again when `poll` says that it died. Makes the data directory where missing, ends
        what a killed process left behind, and lets Postgres recover from an unclean stop.

        Raises:
            EmbeddedPostgresError: it cannot run here; the message says why.
        """
        if self._process is not None and self._process.poll() is None:
            return self.url
        try:
            self._places.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.url = self._attach_or_own()
        except OSError as exc:
            self.stop()
            raise EmbeddedPostgresError(
                f"cannot use {exc.filename or self._places.root}: {exc.strerror}; "
                "set ANALYTICS_DATA_DIR to a folder that this user may write to"
            ) from exc
        except BaseException:
            self.stop()
            raise
        return self.url

    def poll(self) -> int | None:
        """Tell the exit code of the server that we ran; None while it runs, and when there is none of ours.

        Also keeps its log within bounds, so call this from time to time.
        """
        if self._process is None:
            return None
        self._bound_log()
        return self._process.poll()

    def stop(self) -> None:
        """Stop the server that we run, clients or not; within some 12 s at worst. Leaves another process's alone."""
        process, self._process = self._process, None
        self.owned = False
        try:
            if process is not None:
                _stop(process)
        finally:
            self._lock.release()

    def _attach_or_own(self) -> str:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._lock.acquire():
            owner, postmaster = self._lock.read()
            running = PidFile.read(self._places.data)
            if running is not None and running.ready and running.pid == postmaster:
                return socket_url(running.socket_folder)
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"process {owner} is still starting the Postgres in {self._places.root} (its log: "
                    f"{self._places.log}): wait for it, or end it"
                )
            time.sleep(POLL_S)
        self.owned = True
        return self._run()

    def _run(self) -> str:
        """Start the server in a directory that is ours."""
        places = self._places
        self._lock.note(None)
        postgres = program("postgres")
        identity = choose_identity(postgres)
        _end_leftovers(places)
        remove_unfinished(places)
        if identity.mode == "user":
            # Postgres, being another user, has to pass through; what else lies there is closed to it one by one.
            places.root.chmod(places.root.stat().st_mode | 0o011)
        for path in (postgres, places.data):
            identity.require_way_to(path)
        if not (places.data / "PG_VERSION").exists():
            make_cluster(places, identity)
        require_same_major(places)
        identity.own_tree(places.data)
        write_configuration(places, identity)
        folder = socket_folder(places, identity)
        # Like the pid file: a killed postmaster's number may live on, also as a zombie that nobody has buried yet.
        (folder / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)
        self._bound_log()
        # Flags, unlike the configuration file, cannot be overruled: what keeps strangers out stands here.
        flags = ("-D", str(places.data), "-k", str(folder), "-p", str(PORT), "-c", "listen_addresses=")
        with open(places.log, "ab", opener=_open_private) as log:
            log_start = log.tell()
            self._process = subprocess.Popen(  # noqa: S603 - our own launcher and Postgres
                identity.command(postgres, *flags),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=postgres_environment(),
                start_new_session=True,  # Ctrl-C on the terminal is for us, who then stop it in order
            )
        self._wait_until_ready(self._process, log_start)
        self._lock.note(self._process.pid)
        return socket_url(str(folder))

    def _wait_until_ready(self, process: "subprocess.Popen[bytes]", log_start: int) -> None:
        """Wait as long as there is progress: a recovery says every few seconds in the log how far it is."""
        seen_bytes = log_start
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            code = process.poll()
            if code is not None:
                raise EmbeddedPostgresError(
                    f"Postgres ended with code {code} while it started{self._tell_log(log_start)}"
                )
            running = PidFile.read(self._places.data)
            if running is not None and running.ready and running.pid == process.pid:
                return
            log_bytes = self._places.log.stat().st_size
            if log_bytes > seen_bytes:
                seen_bytes = log_bytes
                deadline = time.monotonic() + START_TIMEOUT_S
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"Postgres has shown no progress in starting for {START_TIMEOUT_S:g} s{self._tell_log(log_start)}"
                )
            time.sleep(POLL_S)

    def _tell_log(self, start: int) -> str:
        """Quote the end of what Postgres has logged since byte `start`."""
        with self._places.log.open("rb") as log:
            log.seek(start)
            lines = log.read(MAX_LOG_BYTES).decode(errors="replace").splitlines()
        quoted = "".join(f"\n  {line}" for line in lines[-LOG_LINES_SHOWN:])
        return f"; see {self._places.log}, which ends:{quoted}" if quoted else f"; its log {self._places.log} is empty"

    def _bound_log(self) -> None:
        places = self._places
        if places.log.exists() and places.log.stat().st_size > MAX_LOG_BYTES:
            # Copied and emptied, not renamed: Postgres keeps the file open and appends to it.
            places.old_log.touch(mode=0o600)
            shutil.copyfile(places.log, places.old_log)
            os.truncate(places.log, 0)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _end_leftovers(places: Places) -> None:
    """End what an earlier owner left running, and remove a pid file that names nobody of ours."""
    noted = PidFile.read(places.data)
    end_leftovers(places.data, noted.pid if noted else None)
    # Postgres believes any living process of that number to be a rival.
    (places.data / "postmaster.pid").unlink(missing_ok=True)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    # Fast: clients are disconnected, a checkpoint is written. Immediate: nothing is written, the next start recovers.
    for number, patience_s in ((signal.SIGINT, FAST_STOP_S), (signal.SIGQUIT, HARD_STOP_S)):
        process.send_signal(number)
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            _log.warning("postgres_slow_stop", signal=number.name, waited_s=patience_s)
        else:
            return
    process.kill()
    process.wait()
