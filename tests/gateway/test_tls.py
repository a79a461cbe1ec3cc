"""TLS at both ports: who is let in, who is not, and how a certificate is replaced while the service runs."""

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

from sociallive.analytics.v1.analytics_service_pb2_grpc import AnalyticsServiceStub
from tests.acceptance.running import Service, eventually, fails_with, free_port, health_stub, program
from tests.acceptance.samples import track
from tests.conftest import copy_data_dir
from tests.gateway.browser import site
from tests.gateway.certificates import Authority, served_certificate
from tests.gateway.running import need_envoy, running_gateway

EVENT = '{"eventType":"view","data":{"contentType":"post","contentId":"post-1"}}'


class TlsService(Service):
    """`analytics up` with a certificate, and its gateway on `rest_port`; pages of `page_port` may call."""

    rest_port: int
    page_port: int
    authority: Authority


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, made_database: Path) -> Iterator[TlsService]:
    """A service with TLS at both ports that asks its gRPC callers for a certificate of the same authority."""
    need_envoy()
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority(folder / "authority")
    port, page_port = free_port(), free_port()
    service = TlsService(
        copy_data_dir(made_database, folder / "data"),
        PORT=str(port),
        ANALYTICS_GATEWAY="auto",
        ANALYTICS_CORS_ORIGINS=f"http://127.0.0.1:{page_port}",
        ANALYTICS_TLS_CLIENT_CA_FILE=str(authority.ca_file),
        **authority.settings(),
    )
    service.authority, service.rest_port, service.page_port = authority, port, page_port
    with service:
        yield service


def shake_hands(port: int, context: ssl.SSLContext) -> str:
    """Open a connection, wait until the server has accepted the client, too, and return the version of TLS."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(b"GET /events/health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        connection.recv(1)
        return str(connection.version())


def client_files(authority: Authority, **how: Any) -> tuple[str, str]:
    """Issue a certificate of a client."""
    chain, key = authority.issue("expired" if how else "client", names=("client.example",), **how)
    return str(chain), str(key)


def secure_channel(service: TlsService, port: int, *, chain: str = "", key: str = "") -> grpc.Channel:
    """Open a channel that believes the service's authority."""
    credentials = grpc.ssl_channel_credentials(
        service.authority.ca_file.read_bytes(),
        Path(key).read_bytes() if key else None,
        Path(chain).read_bytes() if chain else None,
    )
    return grpc.secure_channel(f"localhost:{port}", credentials, options=[("grpc.use_local_subchannel_pool", 1)])


def is_served(channel: grpc.Channel) -> bool:
    """Ask for the health of the service."""
    answer = health_stub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def test_both_ports_speak_tls_and_the_banner_says_so(secure: TlsService) -> None:
    """GRPC with a client's certificate at the gRPC port, and without one at the web port, where keys tell callers."""
    chain, key = client_files(secure.authority)
    with secure_channel(secure, secure.port, chain=chain, key=key) as channel:
        assert is_served(channel)
        stub: Any = AnalyticsServiceStub(channel)  # type: ignore[no-untyped-call]
        stub.Track(track(), timeout=10)
    with secure_channel(secure, secure.rest_port) as channel:
        assert is_served(channel)
    assert f"https://127.0.0.1:{secure.rest_port}" in secure.output()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_web_port_takes_current_versions_of_tls(secure: TlsService, version: ssl.TLSVersion) -> None:
    """1.2 and 1.3."""
    context = secure.authority.context()
    context.minimum_version = context.maximum_version = version
    assert shake_hands(secure.rest_port, context) == version.name.replace("_", ".")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the old versions, which are what is tried
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.parametrize("port", ["port", "rest_port"])
def test_old_versions_of_tls_are_refused(secure: TlsService, port: str, version: ssl.TLSVersion) -> None:
    """1.0 and 1.1, by the server and not by this client."""
    context = secure.authority.context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with pytest.raises(ssl.SSLError, match=r"(?i)alert|protocol"):
        shake_hands(getattr(secure, port), context)


@pytest.mark.parametrize("port", ["port", "rest_port"])
def test_plain_text_is_refused(secure: TlsService, port: str) -> None:
    """A client that forgets TLS gets no answer."""
    with (
        grpc.insecure_channel(f"127.0.0.1:{getattr(secure, port)}") as channel,
        fails_with(grpc.StatusCode.UNAVAILABLE),
    ):
        is_served(channel)


def test_the_grpc_port_refuses_a_caller_without_certificate(secure: TlsService) -> None:
    """Since the authority of its clients is set."""
    with secure_channel(secure, secure.port) as channel, fails_with(grpc.StatusCode.UNAVAILABLE):
        is_served(channel)


@pytest.mark.parametrize("port", ["port", "rest_port"])
def test_an_expired_client_certificate_is_refused(secure: TlsService, port: str) -> None:
    """At the web port, too, where none would be needed."""
    chain, key = client_files(secure.authority, expired=True)
    with (
        secure_channel(secure, getattr(secure, port), chain=chain, key=key) as channel,
        fails_with(grpc.StatusCode.UNAVAILABLE),
    ):
        is_served(channel)


@pytest.mark.parametrize("port", ["port", "rest_port"])
def test_a_client_certificate_of_another_authority_is_refused(secure: TlsService, port: str, tmp_path: Path) -> None:
    """However good it is."""
    chain, key = client_files(Authority(tmp_path))
    with (
        secure_channel(secure, getattr(secure, port), chain=chain, key=key) as channel,
        fails_with(grpc.StatusCode.UNAVAILABLE),
    ):
        is_served(channel)


def test_a_new_certificate_is_used_without_a_restart(secure: TlsService) -> None:
    """At both ports, by every worker, while open connections go on; half of one is never used."""
    old = served_certificate(secure.rest_port)
    assert served_certificate(secure.port) == old
    chain, key = client_files(secure.authority)
    with secure_channel(secure, secure.port, chain=chain, key=key) as channel:
        assert is_served(channel)
        (secure.authority.folder / "server.pem").write_text("half a certificate")
        eventually("the change is seen", lambda: "certificate_not_reloaded" in secure.output())
        assert served_certificate(secure.rest_port) == old
        assert served_certificate(secure.port) == old
        written, _ = secure.authority.issue("server")
        new = written.read_text().strip()
        eventually("the web port shows it", lambda: served_certificate(secure.rest_port).strip() == new)
        # Each worker reads the files for its next connection.
        shown = [served_certificate(secure.port).strip() for _ in range(10)]
        assert shown == [new] * 10
        assert is_served(channel)


def test_every_command_can_talk_to_it(secure: TlsService) -> None:
    """By https:// with the authority and a certificate; on its own machine by the admin port, without a word."""
    chain, key = client_files(secure.authority)
    files = {
        "ANALYTICS_CA_FILE": str(secure.authority.ca_file),
        "ANALYTICS_CLIENT_CERT_FILE": chain,
        "ANALYTICS_CLIENT_KEY_FILE": key,
    }
    named = {"ANALYTICS_SERVER_NAME": "analytics.example"}
    address = ("--address", f"https://127.0.0.1:{secure.port}")
    for words, environment, code in (
        (("health", *address), files, 0),
        (("health", *address), files | named, 0),
        (("health", *address), files | {"ANALYTICS_SERVER_NAME": "other.example"}, 3),
        (("health", *address), {}, 3),
        (("report", "dashboard", "--json", *address), files, 0),
        (("health", "--address", f"https://127.0.0.1:{secure.rest_port}"), files, 0),
        (("health",), secure.environment, 0),
        (("rejected", "list", "--json"), secure.environment, 0),
    ):
        run = subprocess.run(
            [sys.executable, "-m", "cli", *words],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert run.returncode == code, (words, run.stdout, run.stderr)


def test_the_usual_programs_can_talk_to_it(secure: TlsService) -> None:
    """grpc_health_probe and curl."""
    chain, key = client_files(secure.authority)
    probe = [program("grpc-health-probe"), f"-addr=localhost:{secure.port}", "-tls"]
    probe += [f"-tls-ca-cert={secure.authority.ca_file}", f"-tls-client-cert={chain}", f"-tls-client-key={key}"]
    assert subprocess.run(probe, capture_output=True, timeout=30, check=False).returncode == 0
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not on PATH")
    run = subprocess.run(
        [
            *(curl, "--silent", "--show-error", "--http2", "--cacert", str(secure.authority.ca_file)),
            *("--noproxy", "*", "--header", "content-type: application/json", "--data", EVENT),
            f"https://localhost:{secure.rest_port}/analytics/events/track",
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert json.loads(run.stdout)["status"] == "EVENT_STATUS_STORED", run.stdout + run.stderr


def test_a_browser_sends_beacons_to_it(secure: TlsService) -> None:
    """A page fetches, and sends a beacon, which its service counts."""
    with site(secure.page_port) as page:
        told = page.run(
            f"""
            const base = "https://127.0.0.1:{secure.rest_port}/analytics";
            const event = {json.dumps(EVENT)};
            const count = async () => (await (await fetch(base + "/dashboard")).json()).events;
            const before = Number(await count());
            const queued = navigator.sendBeacon(base + "/events/track", event);
            let after = before;
            while (after === before) {{ after = Number(await count()); }}
            return [queued, after - before];
            """,
            trusts_any_certificate=True,
        )
    assert told == [True, 1]


def test_a_bad_certificate_ends_the_start(made_data_dir: Path, tmp_path: Path) -> None:
    """With the exit code of wrong settings, before anything is started; the key is not printed."""
    authority = Authority(tmp_path / "authority")
    chain, _ = authority.issue("one")
    _, key = authority.issue("other")
    for cert_file, key_file in ((chain, key), (chain, tmp_path / "missing"), (key, chain)):
        service = Service(
            made_data_dir, ANALYTICS_TLS_CERT_FILE=str(cert_file), ANALYTICS_TLS_KEY_FILE=str(key_file)
        ).spawn()
        assert service.wait(30) == 2, service.output()
    assert "ANALYTICS_TLS_KEY_FILE" in service.output()
    assert "PRIVATE KEY" not in service.output()


def test_a_gateway_alone_has_certificates_too(secure: TlsService, tmp_path: Path) -> None:
    """In front of a server that it reaches in plain text: here the admin port, which has every service."""
    settings = secure.authority.settings("gateway")
    with (
        running_gateway(tmp_path / "data", secure.admin_address, **settings) as (_, port),
        secure_channel(secure, port) as channel,
    ):
        assert is_served(channel)
