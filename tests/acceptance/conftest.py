"""One running service for the tests that do not kill it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.running import Service


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that is up; tests use ids of their own and leave it serving."""
    with Service(tmp_path_factory.mktemp("service") / "data") as running:
        yield running


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data directory for a service that the test starts itself."""
    return tmp_path / "data"
