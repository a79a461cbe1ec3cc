"""The conformance kit passes a client that keeps the promise, and finds those that do not."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clients.conformance.adapter import run_install
from clients.conformance.faults import Fault
from clients.conformance.manifest import Manifest, ManifestError, find_manifests, read_manifest
from clients.conformance.oracle import Accepted, judge
from clients.conformance.run import SHORT, ClientRun, Extent, Outcome, summary
from tests.acceptance.running import Service, free_port
from tests.gateway.running import need_envoy

ROOT = Path(__file__).resolve().parents[2]
BRIEF = Extent(events=240, rate=400, stall_s=0.3, offline_s=0.5, kills=2, flush_ms=30_000, poison_every=199)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, int]]:
    """A service with its gateway, and the gateway's port."""
    need_envoy()
    port = free_port()
    folder = tmp_path_factory.mktemp("conformance") / "data"
    with Service(folder, PORT=str(port), ANALYTICS_GATEWAY="auto") as running:
        yield running, port


def run(service: tuple[Service, int], folder: Path, name: str, *, survives_kill: bool = True) -> Outcome:
    """Run the reference client under a name of its own."""
    command = (sys.executable, "-m", "tests.clients.reference_adapter")
    manifest = Manifest(name, ROOT, command, "rest", survives_kill=survives_kill, install=())
    return asyncio.run(ClientRun(manifest, BRIEF, service[0].address, service[1], folder).run())


@pytest.mark.slow
def test_a_client_that_keeps_events_until_they_are_answered_passes(
    service: tuple[Service, int], tmp_path: Path
) -> None:
    """Through every fault and two kills."""
    outcome = run(service, tmp_path, "reference")
    assert outcome.problems == []
    assert outcome.holds
    assert outcome.verdict.accepted == BRIEF.events
    assert outcome.verdict.stored == BRIEF.events - outcome.verdict.rejected
    assert set(outcome.faults) == set(Fault)
    assert summary([outcome])["clients"] == ["reference"]


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "count"), [("lose", "lost"), ("double", "doubled"), ("silent", "lost")])
def test_a_client_that_breaks_the_promise_fails(
    service: tuple[Service, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, count: str
) -> None:
    """The count that says how is not 0. A report of a rejection may be lost in a kill, so "silent" is not killed."""
    monkeypatch.setenv("REFERENCE_FAULT", fault)
    outcome = run(service, tmp_path, f"reference-{fault}", survives_kill=fault != "silent")
    assert getattr(outcome.verdict, count) > 0
    assert not outcome.holds


@pytest.mark.slow
@pytest.mark.parametrize("manifest", find_manifests(), ids=lambda manifest: manifest.name)
def test_every_client_keeps_the_promise(service: tuple[Service, int], tmp_path: Path, manifest: Manifest) -> None:
    """A short form of `make conformance`."""
    reason = asyncio.run(run_install(manifest))
    if reason:
        pytest.skip(reason)
    outcome = asyncio.run(ClientRun(manifest, SHORT, service[0].address, service[1], tmp_path).run())
    assert outcome.problems == []
    assert outcome.holds, outcome


def test_an_event_that_is_stored_under_two_ids_is_doubled() -> None:
    """Its content id is there twice; the id that was accepted is there once."""
    verdict = judge(Accepted(good={"c1": "a"}), [("a", "c1"), ("b", "c1")], set(), set())
    assert (verdict.stored, verdict.lost, verdict.doubled) == (1, 0, 1)


def test_a_valid_event_that_was_reported_as_rejected_is_lost() -> None:
    """Only the kit knows which events the service refuses."""
    assert judge(Accepted(good={"c1": "a"}), [], {"a"}, set()).lost == 1


def test_a_manifest_with_an_unknown_transport_is_refused(tmp_path: Path) -> None:
    """By its path."""
    path = tmp_path / "conformance.json"
    path.write_text('{"name": "x", "command": ["x"], "transport": "carrier pigeon", "survives_kill": false}')
    with pytest.raises(ManifestError, match="carrier pigeon"):
        read_manifest(path)
