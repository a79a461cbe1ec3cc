"""The embedded Postgres as root and not, and its socket in deep, odd and shared places."""

import os
import shutil
import signal
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.embedded import EmbeddedPostgres, identity
from storage.embedded.identity import LAUNCHER, Identity, choose_identity
from storage.embedded.places import MAX_SOCKET_BYTES, PidFile, program
from storage.postgres.errors import EmbeddedPostgresError
from tests.integration.postgres_owner import ask, owner, postmaster

as_root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")


@pytest.fixture
def open_dir() -> Iterator[Path]:
    """A data directory that every user may reach, unlike pytest's own folders."""
    folder = Path(tempfile.mkdtemp(prefix="analytics-test-"))
    folder.chmod(0o711)
    yield folder / "data"
    shutil.rmtree(folder)


async def test_a_deep_directory_gets_a_socket_elsewhere(tmp_path: Path) -> None:
    """Where a socket's path would be too long it lies in the temporary folder, closed to others, the same each time."""
    deep = tmp_path / ("d" * MAX_SOCKET_BYTES) / "data, with 'odd' \"name\" %41"
    with EmbeddedPostgres(deep) as postgres:
        url = postgres.url
        noted = PidFile.read(deep / "postgres")
        assert noted is not None
        folder = Path(noted.socket_folder)
        try:
            assert not folder.is_relative_to(tmp_path)
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            assert await ask(url, "SELECT 1") == 1
            with owner(deep) as other:
                assert (other.owned, other.url) == (False, url)
        finally:
            postgres.stop()
            folder.rmdir()


async def test_an_odd_name_is_no_trouble(tmp_path: Path) -> None:
    """Spaces, quotes, percent signs and letters beyond ASCII in the path work."""
    with EmbeddedPostgres(tmp_path / 'o\'dd "näme" %20?&#') as postgres:
        assert await ask(postgres.url, "SELECT 1") == 1


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A folder whose path is short enough for a socket; those of pytest grow with the number of its runs."""
    with tempfile.TemporaryDirectory(prefix="s-", dir="/tmp") as folder:
        yield Path(folder)


def test_a_socket_folder_of_somebody_else_is_refused(
    tmp_path: Path, short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A prepared link or an open folder in the shared temporary folder is not used."""
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(short_dir))
    deep = tmp_path / ("d" * MAX_SOCKET_BYTES)
    EmbeddedPostgres(deep).__enter__().stop()
    (folder,) = short_dir.glob("analytics-*")
    folder.chmod(0o755)
    with pytest.raises(EmbeddedPostgresError, match="nobody else may enter"):
        EmbeddedPostgres(deep).start()
    folder.rmdir()
    folder.symlink_to(tmp_path)
    with pytest.raises(EmbeddedPostgresError, match="nobody else may enter"):
        EmbeddedPostgres(deep).start()


@as_root_only
@pytest.mark.parametrize("uid", [65534, 4242], ids=["nobody", "a user without a name"])
def test_a_user_without_privileges_runs_it(data_dir: Path, uid: int) -> None:
    """A user other than root runs it under its own id, even without a name in the system, as in containers."""
    if choose_identity(program("postgres")).mode != "namespace":
        pytest.skip("this system allows no user namespaces, in which the test becomes another user")
    prefix = [
        sys.executable,
        "-I",
        "-S",
        str(LAUNCHER),
        str(os.getpid()),
        str(int(signal.SIGINT)),
        "namespace",
        str(uid),
        str(uid),
    ]
    with owner(data_dir, prefix=prefix) as started:
        assert started.finish() == 0
        assert (started.uid, started.error, started.owned) == (uid, "", True)


@as_root_only
async def test_root_without_namespaces_runs_it_as_nobody(open_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where namespaces are refused root gives Postgres its own user; files follow, in both directions."""
    first = choose_identity(program("postgres"))
    EmbeddedPostgres(open_dir).__enter__().stop()
    monkeypatch.setattr(identity, "_works", lambda _identity, _program: False)
    second = choose_identity(program("postgres"))
    assert second.mode == "user"
    try:
        second.require_way_to(program("postgres"))
    except EmbeddedPostgresError as exc:
        pytest.skip(f"nobody cannot reach the binaries: {exc}")
    with EmbeddedPostgres(open_dir) as postgres:
        assert Path(f"/proc/{postmaster(open_dir)}").stat().st_uid == second.uid
        assert (open_dir / "postgres" / "PG_VERSION").stat().st_uid == second.uid
        assert await ask(postgres.url, "CREATE TABLE kept AS SELECT 42 AS value", "SELECT value FROM kept") == 42
    monkeypatch.undo()
    with EmbeddedPostgres(open_dir) as postgres:
        assert (open_dir / "postgres" / "PG_VERSION").stat().st_uid == first.owner_uid
        assert await ask(postgres.url, "SELECT value FROM kept") == 42


@as_root_only
def test_a_folder_closed_to_nobody_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody would have to pass a closed folder, the message names that folder."""
    monkeypatch.setattr(identity, "_works", lambda _identity, _program: False)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    tmp_path.chmod(0o755)
    with pytest.raises(EmbeddedPostgresError, match=r"may not enter /(.|\n)*DATABASE_URL"):
        EmbeddedPostgres(closed / "data").start()


def test_files_of_another_user_are_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without root, a data directory of somebody else is refused with both users' numbers."""
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    with pytest.raises(EmbeddedPostgresError, match=r"belongs to user .* runs as 4242"):
        Identity("plain", 4242, 4242, 4242, 4242).own_tree(tmp_path)
