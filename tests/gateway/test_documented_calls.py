"""The curl lines of README.md and docs/gateway.md do what they say."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.gateway.conftest import GatewayService

LINE = re.compile(r"^curl (?:[^\n\\]|\\\n|\\[^\n])+", re.MULTILINE)


def documented() -> list[str]:
    """Find every curl command in the documents."""
    return [line for page in ("README.md", "docs/gateway.md") for line in LINE.findall(Path(page).read_text())]


def test_there_are_calls_in_the_documents() -> None:
    """The pattern still finds them."""
    assert len(documented()) > 15


@pytest.mark.parametrize("command", documented())
def test_a_documented_call_is_answered(gateway: GatewayService, command: str) -> None:
    """It is answered with 200, against the port that the test's gateway has."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed here: `make tools` installs it, as root on Debian")
    there = command.replace("localhost:3006", f"127.0.0.1:{gateway.rest_port}")
    run = subprocess.run(
        ["sh", "-c", f"{there} --silent --show-error --write-out '\\n%{{http_code}}'"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    _, _, status = run.stdout.rpartition("\n")
    assert status == "200", run.stdout
