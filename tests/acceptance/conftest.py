"""One running service for the tests that do not kill it."""

from collections.abc import Iterator

import pytest

from tests.acceptance.running import Service


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that is up; tests use ids of their own and leave it serving."""
    with Service(tmp_path_factory.mktemp("service") / "data") as running:
        yield running
