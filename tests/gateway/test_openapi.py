"""The OpenAPI description is the committed one, and true: the gateway answers generated requests as it says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gateway.conftest import GatewayService
from tests.gateway.http import call

LEAST_REQUESTS = 1_500
EXAMPLES = 160
"""For each operation; simple ones run out of different requests sooner."""
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
RUN_TIMEOUT_S = 600


def test_the_gateway_serves_the_committed_description(gateway: GatewayService) -> None:
    """GET /openapi.json answers OpenAPI 3.1."""
    answer = call(gateway.rest_port, "GET", "/openapi.json")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json["openapi"].startswith("3.1")
    assert answer.body == Path("gateway/openapi.json").read_bytes()


@pytest.mark.slow
def test_generated_requests_are_answered_as_described(gateway: GatewayService, tmp_path: Path) -> None:
    """Schemathesis finds no 5xx, no status and no body that the description does not have."""
    run = subprocess.run(
        [
            str(Path(sys.executable).with_name("st")),
            *("--no-color", "run", f"http://127.0.0.1:{gateway.rest_port}/openapi.json"),
            *("--checks", CHECKS, "--phases", "fuzzing", "--max-examples", str(EXAMPLES)),
            *("--generation-deterministic", "--no-shrink"),
            *("--workers", "2", "--continue-on-failure"),
        ],
        cwd=tmp_path,  # it leaves notes
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_S,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-5000:]
    counted = re.search(r"([\d,]+) generated", run.stdout)
    assert counted is not None, run.stdout[-2000:]
    assert int(counted[1].replace(",", "")) >= LEAST_REQUESTS
