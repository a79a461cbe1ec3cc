"""The corpus and mutations of it as raw bytes to a running service: clear refusals, and it serves afterwards."""

from pathlib import Path
from random import Random
from typing import Any

import grpc
import pytest

from sociallive.analytics.v1.track_pb2 import EventStatus, TrackBatchRequest
from tests.acceptance.running import Service, eventually
from tests.acceptance.samples import track, view
from tests.conftest import copy_data_dir
from tests.fuzz.mutations import mutate
from tests.fuzz.nasty import CORPUS

METHODS = ("Track", "TrackEvents", "TrackBatch")
MUTATIONS = 300
MESSAGES_PER_STREAM = 5
CALLERS_FAULT = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
"""What a caller of bad input may be told: neither INTERNAL nor UNKNOWN, and no deadline that passed."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, made_database: Path) -> Any:
    """A service of this module's own: what it is sent would stand in the way of other tests."""
    with Service(copy_data_dir(made_database, tmp_path_factory.mktemp("fuzz") / "data")) as running:
        yield running


def send(service: Service, method: str, wires: list[bytes]) -> grpc.StatusCode:
    """Send messages by a method, in one stream where it takes one, and answer the last code that is not OK."""
    path = f"/sociallive.analytics.v1.AnalyticsService/{method}"
    last = grpc.StatusCode.OK
    calls: list[Any] = wires
    call: Any = service.channel.unary_unary(path)
    if method == "TrackBatch":
        call, calls = service.channel.stream_unary(path), [iter(wires)]
    for request in calls:
        try:
            call(request, timeout=20)
        except grpc.RpcError as exc:
            last = exc.code()
            assert last in CALLERS_FAULT, f"{last}: {exc.details()}"  # noqa: PT017 - the code is what is answered
    return last


@pytest.mark.parametrize("method", METHODS)
def test_the_corpus_gets_a_clear_answer(service: Service, method: str) -> None:
    """Each message alone."""
    codes = {path.stem: send(service, method, [path.read_bytes()]) for path in sorted(CORPUS.glob("*.bin"))}
    assert codes["good"] is grpc.StatusCode.OK
    assert codes["truncated_text"] is grpc.StatusCode.INVALID_ARGUMENT
    assert codes["too_deep_to_parse"] is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("method", METHODS)
def test_mutations_get_a_clear_answer(service: Service, method: str) -> None:
    """Some hundred, the same in each run; a stream brings several, of which one may break it off."""
    random = Random(METHODS.index(method))  # noqa: S311 - it makes test data
    wires = [path.read_bytes() for path in sorted(CORPUS.glob("*.bin")) if path.stat().st_size < 10_000]
    wires += [track().SerializeToString(), TrackBatchRequest(events=[view(), view()]).SerializeToString()]
    for _ in range(MUTATIONS // len(METHODS) // MESSAGES_PER_STREAM):
        mutated = [mutate(random, random.choice(wires), random.choice(wires)) for _ in range(MESSAGES_PER_STREAM)]
        send(service, method, mutated)


def test_it_serves_afterwards(service: Service) -> None:
    """No failure of its own was logged, no worker went down, and a good event is stored."""
    eventually("serving", lambda: service.health() == "SERVING")
    assert service.stub.Track(track(), timeout=5).status == EventStatus.EVENT_STATUS_STORED
    output = service.output()
    assert "rpc_failed" not in output
    assert "Traceback" not in output
