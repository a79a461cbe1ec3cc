"""Operators and load balancers learn the truth from the standard health service and from reflection."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2

from sociallive.analytics.v1.track_pb2 import TrackBatchRequest
from tests.acceptance.running import Service, eventually, fails_with, health_stub, program
from tests.acceptance.samples import reason, retry_delay_s, track, view

ANALYTICS = "sociallive.analytics.v1.AnalyticsService"
NAMES = ["", ANALYTICS, "sociallive.analytics.v1.SchemaService", "storage"]


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_serving(service: Service, name: str) -> None:
    """The empty name, each service's full name and `storage` answer SERVING."""
    assert service.health(name) == "SERVING"


def test_an_unknown_name_is_not_found(service: Service) -> None:
    """Check answers NOT_FOUND, as the health protocol says."""
    with fails_with(grpc.StatusCode.NOT_FOUND):
        health_stub(service.channel).Check(health_pb2.HealthCheckRequest(service="nobody"), timeout=5)


@pytest.mark.parametrize("name", ["", ANALYTICS])
def test_grpc_health_probe_says_serving(service: Service, name: str) -> None:
    """The program that Kubernetes users run agrees."""
    probe = program("grpc-health-probe")
    run = subprocess.run(
        [probe, f"-addr={service.address}", f"-service={name}"], capture_output=True, text=True, timeout=20, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "SERVING" in run.stdout + run.stderr


def test_grpcurl_lists_and_calls_by_reflection(service: Service) -> None:
    """Without a .proto file at hand grpcurl finds the services, describes an event and stores one."""
    grpcurl = program("grpcurl")

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [grpcurl, "-plaintext", *arguments], capture_output=True, text=True, timeout=20, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    listed = run(service.address, "list")
    assert ANALYTICS in listed
    assert "grpc.health.v1.Health" in listed
    assert "scroll_depth" in run(service.address, "describe", "sociallive.analytics.v1.ViewEvent")
    body = '{"event": {"eventType": "view", "data": {"contentType": "post", "contentId": "post-1", "viewDuration": 4}}}'
    assert "EVENT_STATUS_STORED" in run("-d", body, service.address, f"{ANALYTICS}/Track")


def test_is_not_serving_while_it_drains_and_lets_waiting_calls_finish(made_data_dir: Path) -> None:
    """With a stream under way, SIGTERM turns health to NOT_SERVING; new calls are refused, the stream is stored."""
    with Service(made_data_dir) as service:
        gate = threading.Event()
        read = threading.Event()

        def stream() -> Iterator[TrackBatchRequest]:
            yield TrackBatchRequest(events=[view() for _ in range(5)])
            read.set()
            gate.wait(10)
            yield TrackBatchRequest(events=[view() for _ in range(5)])

        call = service.stub.TrackBatch.future(stream(), timeout=20)
        watch = health_stub(service.channel).Watch(health_pb2.HealthCheckRequest(), timeout=20)
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        assert read.wait(5)
        assert service.process is not None
        service.process.send_signal(signal.SIGTERM)
        for name in ("", ANALYTICS):
            eventually("health says so", lambda name=name: service.health(name) == "NOT_SERVING", timeout_s=5)
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        with fails_with(grpc.StatusCode.UNAVAILABLE) as caught:
            service.stub.Track(track(), timeout=5)
        assert reason(caught[0]) == "DRAINING"
        assert retry_delay_s(caught[0])
        gate.set()
        answer = call.result(timeout=5)
        assert (answer.received, answer.stored) == (10, 10)
        assert service.wait() == 0


def test_is_not_serving_while_its_storage_is_gone(made_data_dir: Path) -> None:
    """With Postgres frozen health says NOT_SERVING; when it thaws, SERVING again."""
    with Service(made_data_dir) as service:
        frozen = service.pids("postgres")
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        try:
            eventually("health says so", lambda: service.health("storage") == "NOT_SERVING", timeout_s=10)
            assert service.health() == "NOT_SERVING"
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)
        eventually("it serves again", lambda: service.health() == "SERVING", timeout_s=10)
        assert service.stub.Track(track(), timeout=5).event_id
