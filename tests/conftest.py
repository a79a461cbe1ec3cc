"""What every test may ask for: the project's own Postgres, and fresh, migrated databases in it."""

import asyncio
import itertools
import os
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
import structlog
from hypothesis import settings

from storage.embedded import EmbeddedPostgres
from tests.other_postgres import other_postgres

TEMPLATE = "analytics_template"
settings.register_profile("repeatable", derandomize=True)
# The same examples in each run: a change is judged by what it changes. HYPOTHESIS_PROFILE=default looks for new ones.
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))
FAST_FOLDER = Path(__file__).parent / "unit"
NOT_FAST = ("processes", "slow", "thorough")
STARTS = frozenset(
    {"os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.startfile", "os.system", "subprocess.Popen"}
)
"""The audit events of a process that is started."""
_numbers = itertools.count(1)


def pytest_configure() -> None:
    """Let Ctrl-C reach what tests start, also where they run in the background of a shell, which ignores it there."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Mark the tests that use the database, and those of `make test-fast`.

    Those are the unit tests but those that need the database, start processes or try many inputs.
    """
    for item in items:
        function = getattr(item, "function", None)
        if "postgres_server" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.database)
        elif (
            item.path.is_relative_to(FAST_FOLDER)
            and not getattr(function, "is_hypothesis_test", False)
            and not any(item.get_closest_marker(name) for name in NOT_FAST)
        ):
            item.add_marker(pytest.mark.fast)


class _Guard:
    """Fails a fast test that starts a process, at the place where it does."""

    fast_test = ""
    """The fast test that is running; empty where none is."""

    def see(self, event: str, _: object) -> None:
        if self.fast_test and event in STARTS:
            pytest.fail(f"{self.fast_test} starts a process ({event}): mark it with @pytest.mark.processes")


_guard = _Guard()
sys.addaudithook(_guard.see)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Guard fast tests and their fixtures, in every run."""
    _guard.fast_test = item.name if item.get_closest_marker("fast") else ""
    try:
        return (yield)
    finally:
        _guard.fast_test = ""


@pytest.fixture(autouse=True)
def _logging_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undo what a command that runs in this process sets up, so that the next test can capture every line.

    A logger that keeps its first configuration would go on with it for the rest of the run.
    """
    configure = structlog.configure
    monkeypatch.setattr(
        structlog, "configure", lambda **options: configure(**options | {"cache_logger_on_first_use": False})
    )
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def database_url_in(server_url: str, database: str) -> str:
    """Name another database on the same server."""
    return urlsplit(server_url)._replace(path=f"/{database}").geturl()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Postgres that lasts for the whole run; its database `analytics` is empty.

    It is the embedded one, or that of the programs in the folder ANALYTICS_TEST_POSTGRES.
    """
    folder = tmp_path_factory.mktemp("postgres")
    if programs := os.environ.get("ANALYTICS_TEST_POSTGRES"):
        with other_postgres(Path(programs), folder) as url:
            yield url
        return
    with EmbeddedPostgres(folder) as postgres:
        yield postgres.url


@pytest.fixture(scope="session")
def _template(postgres_server: str) -> str:
    """The name of a migrated database to copy."""
    # Here, since Alembic and SQLAlchemy take longer to import than all else, and unit tests do without a database.
    from storage.postgres.migrate import migrate  # noqa: PLC0415

    async def make() -> None:
        # No test pulls the plug, and a database for each test is quickly made where nothing waits for the disk.
        await _execute(postgres_server, "ALTER SYSTEM SET fsync = off")
        await _execute(postgres_server, "SELECT pg_reload_conf()")
        await _execute(postgres_server, f"CREATE DATABASE {TEMPLATE}")
        await migrate(database_url_in(postgres_server, TEMPLATE))

    _run(make)
    return TEMPLATE


@pytest.fixture
def database_url(postgres_server: str, _template: str) -> Iterator[str]:
    """The URL of a fresh, migrated database of the test's own."""
    yield from _copy(postgres_server, _template)


@pytest.fixture(scope="module")
def module_database_url(postgres_server: str, _template: str) -> Iterator[str]:
    """The URL of a fresh, migrated database that the tests of one module share."""
    yield from _copy(postgres_server, _template)


@pytest.fixture
def empty_database_url(postgres_server: str) -> Iterator[str]:
    """The URL of a fresh database that has never been migrated."""
    yield from _copy(postgres_server, "template1")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data directory, not made yet, for a Postgres or a service that the test starts itself."""
    return tmp_path / "data"


@pytest.fixture(scope="session")
def made_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a database that was made and stopped, to copy; making one takes longer than all else of a start."""
    folder = tmp_path_factory.mktemp("made")
    with EmbeddedPostgres(folder):
        pass
    return folder / "postgres"


@pytest.fixture
def made_data_dir(tmp_path: Path, made_database: Path) -> Path:
    """A data directory whose database is made and as yet empty, for a test of what comes after the first start."""
    return copy_data_dir(made_database, tmp_path / "data")


def copy_data_dir(made_database: Path, data_dir: Path) -> Path:
    """Copy the files of a database that nobody runs into a new data directory, and return that."""
    data_dir.mkdir(mode=0o700)
    shutil.copytree(made_database, data_dir / "postgres")
    return data_dir


def _copy(server_url: str, template: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    _run(lambda: _execute(server_url, f"CREATE DATABASE {name} TEMPLATE {template}"))
    yield database_url_in(server_url, name)
    _run(lambda: _execute(server_url, f"DROP DATABASE {name} WITH (FORCE)"))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _run(work: Callable[[], Awaitable[None]]) -> None:
    """Run on a loop of its own: fixtures are plain, so that plain tests can use them too."""
    with asyncio.Runner() as runner:
        runner.run(_awaited(work))


async def _awaited(work: Callable[[], Awaitable[None]]) -> None:
    await work()
