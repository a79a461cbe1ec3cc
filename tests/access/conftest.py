"""One guarded service for the tests that do not stop it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.access.guarded import GuardedService, guarded_service
from tests.conftest import copy_data_dir
from tests.gateway.running import need_envoy


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory, made_database: Path) -> Iterator[GuardedService]:
    """A service with its gateway, where every call needs a key or a token."""
    need_envoy()
    data_dir = copy_data_dir(made_database, tmp_path_factory.mktemp("guarded") / "data")
    with guarded_service(data_dir, ANALYTICS_GATEWAY="auto") as service:
        yield service
