"""A start that other machines could reach: refused without keys and TLS, and how to make both."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from sociallive.analytics.v1.analytics_service_pb2_grpc import AnalyticsServiceStub
from sociallive.analytics.v1.dashboard_pb2 import GetDashboardRequest
from tests.acceptance.running import Service, fails_with
from tests.acceptance.samples import reason

EVERYWHERE = "0.0.0.0"  # noqa: S104 - the case under test


def analytics(service: Service, *words: str) -> str:
    """Run a command with the service's environment, and return what it printed."""
    command = [sys.executable, "-m", "cli", *words]
    run = subprocess.run(command, env=service.environment, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def suggested(output: str, program: str) -> list[str]:
    """Find the command that a refusal tells, which is a line of its own."""
    (line,) = (line.strip() for line in output.splitlines() if line.strip().startswith(f"{program} "))
    return line.split()


@pytest.mark.parametrize("command", ["up", "serve"])
def test_an_open_service_does_not_start(made_data_dir: Path, command: str) -> None:
    """Without keys and TLS; the message has a command for each."""
    service = Service(made_data_dir, command=command, ANALYTICS_HOST=EVERYWHERE).spawn()
    assert service.wait(60) == 2, service.output()
    assert suggested(service.output(), "analytics")[1:3] == ["keys", "create"]
    assert suggested(service.output(), "openssl")[1] == "req"


def test_an_open_gateway_does_not_start(data_dir: Path) -> None:
    """Whether there are keys, its servers know; TLS is its own."""
    service = Service(data_dir, command="gateway", ANALYTICS_HOST=EVERYWHERE).spawn()
    assert service.wait(30) == 2, service.output()
    assert suggested(service.output(), "openssl")[1] == "req"
    assert "analytics keys" not in service.output()


def test_what_is_spelt_out_is_started_and_warned_of(made_data_dir: Path) -> None:
    """Without keys and in plain text, as both variables say."""
    with Service(made_data_dir, ANALYTICS_HOST=EVERYWHERE, ANALYTICS_AUTH="off", ANALYTICS_TLS="upstream") as service:
        assert service.health() == "SERVING"
        assert "auth_off" in service.output()


def test_the_commands_that_it_tells_make_a_service_that_is_not_open(made_data_dir: Path, tmp_path: Path) -> None:
    """With the key a caller is served over TLS; without one, and in plain text, nobody is."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not on PATH")
    refused = Service(made_data_dir, ANALYTICS_HOST=EVERYWHERE).spawn()
    assert refused.wait(60) == 2
    words = suggested(refused.output(), "analytics")[1:]
    words[words.index("admin.keys")] = "read.reports"
    key = analytics(refused, *words)
    made = subprocess.run(suggested(refused.output(), "openssl"), cwd=tmp_path, capture_output=True, check=False)
    assert made.returncode == 0, made.stderr
    certificate = tmp_path / "cert.pem"
    with Service(
        made_data_dir,
        ANALYTICS_HOST=EVERYWHERE,
        ANALYTICS_TLS_CERT_FILE=str(certificate),
        ANALYTICS_TLS_KEY_FILE=str(tmp_path / "key.pem"),
    ) as service:
        credentials = grpc.ssl_channel_credentials(certificate.read_bytes())
        with grpc.secure_channel(f"localhost:{service.port}", credentials) as channel:
            stub = AnalyticsServiceStub(channel)  # type: ignore[no-untyped-call]
            stub.GetDashboard(GetDashboardRequest(), metadata=(("authorization", f"Bearer {key}"),), timeout=10)
            with fails_with(grpc.StatusCode.UNAUTHENTICATED) as caught:
                stub.GetDashboard(GetDashboardRequest(), timeout=10)
            assert reason(caught[0]) == "NO_CREDENTIAL"
        with fails_with(grpc.StatusCode.UNAVAILABLE):
            service.stub.GetDashboard(GetDashboardRequest(), timeout=10)
        assert key not in service.output()
        environment = {
            **os.environ,
            "ANALYTICS_CA_FILE": str(certificate),
            "ANALYTICS_KEY": key,
            "ANALYTICS_ADDRESS": f"https://localhost:{service.port}",
        }
        report = [sys.executable, "-m", "cli", "report", "dashboard"]
        assert subprocess.run(report, env=environment, capture_output=True, timeout=60, check=False).returncode == 0
