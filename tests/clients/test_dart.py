"""The Dart client on a Dart VM, in front of a real service: its own checks, the request's snippet, and kills."""

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import pytest

from sociallive.analytics.v1.event_list_pb2 import ListEventsRequest
from tests.acceptance.running import Service, free_port
from tests.changed_protos import add_event_type, read_catalogue
from tests.gateway.running import need_envoy
from tools.dart_types import write_types
from tools.proto_comments import read_comments

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
CLIENT = ROOT / "clients" / "dart"
VM = ROOT / ".tools" / "dart" / "dart"
ADAPTER = CLIENT / "conformance" / "adapter"
NO_VM = 3
"""What tools/install_dart exits with where a VM cannot be installed."""
TIMEOUT_S = 300
SNIPPET = """\
// Initialize analytics
AnalyticsService.initialize();

// Track events
AnalyticsService.trackPostView('post-123');
AnalyticsService.trackPostLike('post-123');
AnalyticsService.trackPurchase(
  productId: 'product-456',
  orderId: 'order-789',
  amount: 29.99,
  paymentMethod: 'wallet',
);

// Automatic dwell time tracking
AnalyticsService.startDwellTracking('post', 'post-123');
AnalyticsService.stopDwellTracking('post', 'post-123');
"""
"""The Flutter snippet of the request without its import."""
FOLLOW = """
// Somebody follows somebody.
message FollowEvent {
  option (event_type) = {name: "follow" versions: [{version: "1.0.0" released: "2026-01-01"}]};
  // Who is followed.
  string followed_id = 1 [(rules) = {required: true max_length: 64}];
}
"""
FOLLOW_PROGRAM = """
import 'dart:convert';
import 'package:analytics_service/analytics_service.dart';
void main() {
  const event = FollowEvent(followedId: VALUE);
  print(jsonEncode([event.eventType, event.schemaVersion, event.toJson()]));
}
"""


@pytest.fixture(scope="module", autouse=True)
def _vm() -> None:
    """Install a Dart VM, or skip and say why."""
    run = subprocess.run(
        [ROOT / "tools" / "install_dart"], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    if run.returncode == NO_VM:
        pytest.skip(run.stderr.strip())
    assert run.returncode == 0, run.stderr


class RestService(Service):
    """A service with its gateway on `rest_port`."""

    rest_port: int


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestService]:
    """A service that is up; each test has a user or contents of its own."""
    need_envoy()
    port = free_port()
    service = RestService(tmp_path_factory.mktemp("dart") / "data", PORT=str(port), ANALYTICS_GATEWAY="auto")
    service.rest_port = port
    with service:
        yield service


def run_dart(*arguments: str | Path, packages: Path = CLIENT / "package_config.json", **environment: str) -> str:
    """Run a Dart program to its end, and return what it printed."""
    run = subprocess.run(
        [VM, f"--packages={packages}", *arguments],
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def list_events(service: Service, user_id: str = "") -> list[Any]:
    """List every stored event, or those of a user."""
    request = ListEventsRequest(timeframe="24h", page_size=500, user_id=user_id)
    events: list[Any] = []
    while True:
        page = service.stub.ListEvents(request, timeout=20)
        events += page.events
        if not page.next_page_token:
            return events
        request.page_token = page.next_page_token


def test_the_checks_of_the_client_pass() -> None:
    """Format, types and unit tests."""
    run = subprocess.run([CLIENT / "check"], capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count("tests passed") == 2


def test_the_snippet_of_the_request_runs_as_written(service: RestService, tmp_path: Path) -> None:
    """Verbatim but for its import, with a purchase that names no currency; its events are stored."""
    program = CLIENT / "analytics_service_flutter" / "test" / "request_snippet.dart"
    indented = "".join(f"  {line}" if line.strip() else line for line in SNIPPET.splitlines(keepends=True))
    assert indented in program.read_text()
    endpoint = f"-DANALYTICS_ENDPOINT=http://127.0.0.1:{service.rest_port}"
    run_dart(endpoint, program, TEST_APPLICATION_SUPPORT=str(tmp_path))
    events = list_events(service)
    kinds = Counter(event.WhichOneof("payload") for event in events if not event.user_id)
    assert kinds == {"view": 2, "engagement": 1, "purchase": 1}
    (purchase,) = [event.purchase for event in events if event.WhichOneof("payload") == "purchase"]
    assert (purchase.currency, purchase.amount, purchase.payment_method) == ("USD", 29.99, "wallet")
    assert len({event.session_id for event in events if not event.user_id}) == 1
    assert (tmp_path / "analytics_service" / "queue.log").stat().st_size == 0


def test_the_example_stores_an_event_of_every_type(service: RestService) -> None:
    """With a device, and with nothing that the service rejects or warns about."""
    program = CLIENT / "analytics_service" / "example" / "main.dart"
    assert run_dart(program, f"http://127.0.0.1:{service.rest_port}") == "pending: 0\n"
    events = list_events(service, user_id="user-1")
    assert {event.WhichOneof("payload") for event in events} == {"view", "engagement", "purchase", "stream", "session"}
    assert {event.device.model for event in events} == {"Pixel 9"}
    assert {event.schema_version for event in events} == {"1.1.0"}


def test_a_killed_process_loses_and_doubles_nothing(service: RestService, tmp_path: Path) -> None:
    """Killed with SIGKILL while it accepts and sends, and restarted on the same state, four times."""
    accepted: list[str] = []
    for number in range(4):
        with Adapter(service.rest_port, tmp_path) as adapter:
            accepted += adapter.track("killed", 100 + 37 * number)
            for _ in range(50):
                adapter.tell(view_by("killed"))
            adapter.process.kill()
            accepted += [json.loads(line)["eventId"] for line in adapter.last_lines() if '"accepted"' in line]
    with Adapter(service.rest_port, tmp_path) as adapter:
        accepted += adapter.track("killed", 10)
        adapter.flush_and_close()
    assert len(set(accepted)) == len(accepted) >= 632
    stored = Counter(event.event_id for event in list_events(service, user_id="killed"))
    # An event may be in the queue although its answer was never written, so there may be more.
    assert {stored[event_id] for event_id in accepted} == {1}
    assert set(stored.values()) == {1}


def test_two_processes_do_not_share_a_queue(service: RestService, tmp_path: Path) -> None:
    """The second keeps its events in memory, says so, and sends them."""
    with Adapter(service.rest_port, tmp_path) as first:
        accepted = first.track("shared", 5)
        with Adapter(service.rest_port, tmp_path) as second:
            accepted += second.track("shared", 5)
            second.flush_and_close()
            assert "in use by another process" in second.log.read_text()
        first.flush_and_close()
    assert Counter(event.event_id for event in list_events(service, user_id="shared")) == Counter(accepted)


def test_a_sixth_event_type_is_typed_after_make_gen_alone(tmp_path: Path) -> None:
    """A program that gives its field a value of another type does not compile."""
    protos = add_event_type(tmp_path, "follow", "FollowEvent", FOLLOW)
    catalogue = read_catalogue(protos)
    package = tmp_path / "analytics_service"
    shutil.copytree(CLIENT / "analytics_service" / "lib", package / "lib")
    written = write_types(catalogue, read_comments((tmp_path / "image.binpb").read_bytes()))
    (package / "lib/src/generated/payloads.dart").write_text(written)
    packages = tmp_path / "package_config.json"
    packages.write_text((CLIENT / "package_config.json").read_text())
    program = tmp_path / "program.dart"
    program.write_text(FOLLOW_PROGRAM.replace("VALUE", "'bob'"))
    assert json.loads(run_dart(program, packages=packages)) == ["follow", "1.0.0", {"followedId": "bob"}]
    program.write_text(FOLLOW_PROGRAM.replace("VALUE", "17"))
    with pytest.raises(AssertionError, match=r"type 'int' can't be assigned to.* 'String'"):
        run_dart(program, packages=packages)


def view_by(user: str) -> dict[str, Any]:
    """Make the operation that tracks a view."""
    return {"op": "track", "type": "view", "userId": user, "data": {"contentType": "post", "contentId": "p1"}}


class Adapter:
    """The conformance adapter of the client, as a process."""

    def __init__(self, rest_port: int, state: Path) -> None:
        self.log = state / f"{id(self)}.log"
        endpoint = f"http://127.0.0.1:{rest_port}"
        arguments: Sequence[str | Path] = (ADAPTER, "--endpoint", endpoint, "--state", state / "state")
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )

    def tell(self, operation: dict[str, Any]) -> None:
        """Write an operation."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(operation) + "\n")
        self.process.stdin.flush()

    def ask(self, operation: dict[str, Any]) -> dict[str, Any]:
        """Write an operation and read its answer."""
        self.tell(operation)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.log.read_text()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def track(self, user: str, count: int) -> list[str]:
        """Track views; return their ids."""
        answers = [self.ask(view_by(user)) for _ in range(count)]
        assert {answer["op"] for answer in answers} == {"accepted"}
        return [answer["eventId"] for answer in answers]

    def flush_and_close(self) -> None:
        """Send what it holds, and end it."""
        assert self.ask({"op": "flush", "timeoutMs": 60_000}) == {"op": "flushed", "pending": 0}
        self.tell({"op": "close"})
        assert self.process.wait(60) == 0

    def last_lines(self) -> list[str]:
        """Read the whole lines that are left when it has ended."""
        assert self.process.stdout is not None
        return [line for line in self.process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
