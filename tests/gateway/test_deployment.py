"""What is deployed: the composition names what there is, and the real Envoy takes its configuration."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from runtime.settings import Settings
from server.access.policy import needs_credentials, tls_problems
from tests.gateway.running import need_envoy

COMPOSE = Path("deploy/compose.yaml")
OF_THE_HOST = {"POSTGRES_PASSWORD", "PUBLISH", "GATEWAY_HEALTH"}
"""Variables of the composition that no process of ours reads."""
VARIABLE = re.compile(r"\$\{([A-Z_]+)(?::[-?][^}]*)?\}")
SEED = {"PORT", "DATABASE_URL", "ANALYTICS_BATCH_SIZE", "ANALYTICS_BATCH_INTERVAL"}
"""The variables of the original request."""
THREE = "10.0.0.1:50051,analytics-2.internal:50051,[::1]:50051"


@pytest.fixture(scope="module")
def composed() -> dict[str, Any]:
    """The services by name."""
    document = yaml.safe_load(COMPOSE.read_text())
    assert set(document) - {"name", "services", "volumes"} == {"x-analytics", "x-settings"}
    return dict(document["services"])


def printed(**environment: str) -> str:
    """Print the gateway's configuration."""
    run = subprocess.run(
        [sys.executable, "-m", "cli", "gateway", "--print"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return run.stdout


def cluster_of(configuration: str) -> dict[str, Any]:
    """Find the servers in a configuration."""
    cluster, *_ = yaml.safe_load(configuration)["static_resources"]["clusters"]
    return dict(cluster)


def test_the_composition_has_every_part_and_every_variable(composed: dict[str, Any]) -> None:
    """Postgres, servers, jobs and gateway, with the variables of the original request."""
    assert {"postgres", "server-1", "server-2", "jobs", "gateway"} == set(composed)
    commands = [service["command"][1] for service in composed.values() if "command" in service]
    assert commands == ["serve", "serve", "jobs", "gateway"]
    named = {name for service in composed.values() for name in service.get("environment", {})}
    assert named >= SEED
    assert set(VARIABLE.findall(COMPOSE.read_text())) <= named | OF_THE_HOST


def test_the_composition_waits_for_what_is_there_and_well(composed: dict[str, Any]) -> None:
    """Each dependency is a service whose health can be asked, and each volume is declared."""
    declared = set(yaml.safe_load(COMPOSE.read_text())["volumes"])
    for name, service in composed.items():
        for needed, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}
            other = composed[needed]
            # Our own image has a health check; jobs alone turns it off.
            assert not other.get("healthcheck", {}).get("disable"), (name, needed)
            assert "healthcheck" in other or other["image"] == "sociallive-analytics"
        for volume in service.get("volumes", []):
            if not volume.startswith("./"):
                assert volume.partition(":")[0] in declared, name


def test_the_settings_of_the_composition_are_taken(composed: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each service starts with what the composition sets and defaults to."""
    for name in [name for name in os.environ if name.startswith("ANALYTICS_")]:
        monkeypatch.delenv(name)
    given = {"POSTGRES_PASSWORD": "secret", "ANALYTICS_IP_HASH_KEY": "k" * 32}
    defaults = re.compile(r"\$\{([A-Z_]+)(?::([-?])([^}]*))?\}")
    for name, service in composed.items():
        if "command" not in service:
            continue
        with monkeypatch.context() as environment:
            environment.setenv("ANALYTICS_HOST", "0.0.0.0")  # noqa: S104 - as the Dockerfile says
            for variable, text in service["environment"].items():
                value = defaults.sub(lambda at: given.get(at[1], at[3] if at[2] == "-" else ""), str(text))
                environment.setenv(variable, value)
            settings = Settings.from_environment()
        if name == "gateway":
            assert settings.upstreams == ("server-1:50051", "server-2:50051")
            assert settings.port == 3006
            assert tls_problems(settings) == []
        else:
            assert tls_problems(settings) == []
            assert needs_credentials(settings)
            assert settings.database_url == "postgresql://analytics@postgres:5432/analytics?sslmode=disable"
            assert service["environment"]["PGPASSWORD"].startswith("${POSTGRES_PASSWORD:?")


def test_the_composition_opens_nothing_by_itself(composed: dict[str, Any]) -> None:
    """The gateway alone is published, on loopback; our containers have no capability, and write to volumes only."""
    published = {name: service["ports"] for name, service in composed.items() if "ports" in service}
    assert published == {"gateway": ["${PUBLISH:-127.0.0.1}:${PORT:-3006}:${PORT:-3006}"]}
    for name, service in composed.items():
        assert "ANALYTICS_AUTH" not in service["environment"], name
        if name != "postgres":
            assert service["read_only"] is True
            assert service["cap_drop"] == ["ALL"]
            assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_image_runs_as_nobody_of_importance() -> None:
    """Not as root, and not with a name that another image may give somebody else."""
    last = Path("Dockerfile").read_text().rpartition("FROM ")[2]
    assert re.findall(r"^USER (.*)$", last, re.MULTILINE) == ["10001"]


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"ANALYTICS_UPSTREAMS": THREE},
        {"ANALYTICS_UPSTREAMS": THREE, "ANALYTICS_CORS_ORIGINS": "*", "ANALYTICS_TRUSTED_HOPS": "2"},
        {
            "ANALYTICS_HOST": "0.0.0.0",  # noqa: S104 - the case under test
            "ANALYTICS_ADMIN_UPSTREAMS": THREE,
            "ANALYTICS_CORS_ORIGINS": "https://a.example,http://localhost:8080",
        },
        {"ANALYTICS_HOST": "::1", "PORT": "8080"},
    ],
    ids=["alone", "three servers", "behind proxies", "open", "IPv6"],
)
def test_the_real_envoy_takes_every_configuration(environment: dict[str, str], tmp_path: Path) -> None:
    """With all kinds of settings, `envoy --mode validate` has nothing against it."""
    configuration = tmp_path / "envoy.yaml"
    configuration.write_text(printed(**environment))
    run = subprocess.run(
        [str(need_envoy()), "--mode", "validate", "--config-path", str(configuration), "--log-level", "warn"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "deprecated" not in run.stderr.lower(), run.stderr


def test_several_servers_are_chosen_by_health_and_load() -> None:
    """Least request, gRPC health checks and ejection are there for several; a single one is asked as it is."""
    several, single = cluster_of(printed(ANALYTICS_UPSTREAMS=THREE)), cluster_of(printed())
    assert several["lb_policy"] == "LEAST_REQUEST"
    assert len(several["load_assignment"]["endpoints"][0]["lb_endpoints"]) == 3
    assert [check["grpc_health_check"] for check in several["health_checks"]] == [{"service_name": "ingest"}]
    assert several["outlier_detection"]["consecutive_local_origin_failure"] == 3
    assert single["health_checks"] == []
