"""As whom Postgres runs, and in what environment: it refuses root, and initdb a user without a passwd entry."""

import os
import pwd
import signal
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runtime import launch
from storage.postgres.errors import EmbeddedPostgresError

LAUNCHER = Path(launch.__file__)
PREFERRED_NAMES = ("nobody", "postgres")
"""Users that own nothing of worth and that nearly every system has."""
PROBE_TIMEOUT_S = 20.0

Mode = Literal["plain", "namespace", "user"]


@dataclass(frozen=True, slots=True)
class Identity:
    """As whom the programs of Postgres run, and who owns their files outside of any namespace."""

    mode: Mode
    uid: int
    gid: int
    owner_uid: int
    owner_gid: int

    def command(self, program: Path, *arguments: str) -> list[str]:
        """Write the command line that runs `program` under this identity and as a child of this process."""
        # SIGINT is Postgres' fast shutdown.
        launcher = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), str(int(signal.SIGINT))]
        return [*launcher, self.mode, str(self.uid), str(self.gid), str(program), *arguments]

    def own(self, path: Path) -> None:
        """Make one file or folder belong to whom Postgres runs as.

        Raises:
            EmbeddedPostgresError: it belongs to another user, and we are not root.
        """
        status = path.lstat()
        if status.st_uid == self.owner_uid:
            return
        if os.geteuid() != 0:
            raise EmbeddedPostgresError(
                f"{path} belongs to user {status.st_uid}, and this program runs as {os.geteuid()}: run it as that "
                "user, or as root give it away (chown -R), or set ANALYTICS_DATA_DIR to another folder"
            )
        os.chown(path, self.owner_uid, self.owner_gid, follow_symlinks=False)

    def own_tree(self, folder: Path) -> None:
        """Make a folder and all in it belong to whom Postgres runs as; free of cost where it does already.

        Raises:
            EmbeddedPostgresError: as `own`.
        """
        if folder.lstat().st_uid == self.owner_uid:
            return
        for parent, folders, files in os.walk(folder):
            for name in (*folders, *files):
                self.own(Path(parent, name))
        # Last, since it is what the next start looks at should this one be cut off.
        self.own(folder)

    def require_way_to(self, path: Path) -> None:
        """Make sure that whom Postgres runs as may enter every folder above `path`.

        Raises:
            EmbeddedPostgresError: one is closed; the message says which.
        """
        if self.mode != "user":
            return
        for folder in path.parents:
            status = folder.stat()
            bit = stat.S_IXUSR if status.st_uid == self.uid else stat.S_IXOTH
            if not status.st_mode & bit:
                raise EmbeddedPostgresError(
                    f"Postgres does not run as root, this system allows no user namespaces, and user {self.uid}, as "
                    f"whom it would run, may not enter {folder}: run this program as another user than root, "
                    "or let others enter that folder (chmod o+x), or set DATABASE_URL"
                )


def choose_identity(program: Path) -> Identity:
    """Choose as whom to run: as ourselves, else in a user namespace, else, being root, as nobody.

    Args:
        program: one of Postgres' programs; it is asked for its version to see whether a namespace works.

    Raises:
        EmbeddedPostgresError: Postgres would accept none of them.
    """
    uid, gid = os.geteuid(), os.getegid()
    if uid != 0 and _has_name(uid):
        return Identity("plain", uid, gid, uid, gid)
    nobody = _find_nobody()
    inside = Identity("namespace", nobody.pw_uid, nobody.pw_gid, uid, gid)
    if sys.platform == "linux" and _works(inside, program):
        return inside
    if uid == 0:
        return Identity("user", nobody.pw_uid, nobody.pw_gid, nobody.pw_uid, nobody.pw_gid)
    raise EmbeddedPostgresError(
        f"this system has no name for user {uid}, which Postgres needs, and allows no user namespaces: "
        "run as a user of /etc/passwd, or set DATABASE_URL"
    )


def postgres_environment() -> dict[str, str]:
    """Copy this process's environment without what would make Postgres differ from what we configure."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG", "TZ"))}
    # C: messages in English. UTC: spares initdb the search through all time zones for the system's.
    return kept | {"LC_ALL": "C", "TZ": "UTC"}


def _works(identity: Identity, program: Path) -> bool:
    try:
        probe = subprocess.run(  # noqa: S603 - our own launcher and Postgres
            identity.command(program, "--version"),
            capture_output=True,
            check=False,
            timeout=PROBE_TIMEOUT_S,
            env=postgres_environment(),
        )
    except subprocess.TimeoutExpired:
        return False
    return probe.returncode == 0


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _find_nobody() -> pwd.struct_passwd:
    for name in PREFERRED_NAMES:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    for entry in pwd.getpwall():
        if entry.pw_uid != 0:
            return entry
    raise EmbeddedPostgresError("Postgres does not run as root, and /etc/passwd knows nobody else: set DATABASE_URL")
