"""A service for the tests of clients; they use users of their own and leave it serving."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.running import Service
from tests.conftest import copy_data_dir


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, made_database: Path) -> Iterator[Service]:
    """A service without a gateway, for the tests of one module."""
    with Service(copy_data_dir(made_database, tmp_path_factory.mktemp("clients") / "data")) as service:
        yield service
