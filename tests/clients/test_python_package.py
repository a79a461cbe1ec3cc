"""The built Python client in fresh environments: beside an application, with protobuf 6 and 7, and with the service."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.running import Service
from tests.clients.fresh_environment import CLIENT, ROOT, build_wheel, make_environment, run_there
from tests.clients.stored import stored_events

pytestmark = pytest.mark.slow

APPLICATION = '''
"""An application whose modules have names that the service has, too."""
import sys

import events
import server
from google.protobuf import __version__
from sociallive.analytics.v1.event_pb2 import Event
from sociallive_analytics import Analytics

with Analytics(sys.argv[1]) as analytics:
    analytics.track_view(content_type="post", content_id=events.POST, user_id=sys.argv[2])
print(__version__.partition(".")[0], server.NAME, analytics.statistics().acknowledged)
assert Event(user_id="u").user_id == "u"
'''
TYPED = """
from sociallive.analytics.v1.event_pb2 import Event
from sociallive_analytics import Analytics, Stored

analytics = Analytics()
stored: Stored = analytics.track("view", {}, wait=True)
event_id: str | None = analytics.track_view(content_type="post", content_id="p", user_id="u")
user: str = Event(user_id="u").user_id
"""
WRONG = """
analytics.track_view(content_type="post")
analytics.track_view(content_type="post", content_id=5)
analytics.track_view(content_type="post", content_id="p", usr_id="u")
Event(user_id=5)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client's wheel."""
    return build_wheel(CLIENT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def application(tmp_path: Path) -> Path:
    """The folder of an application with modules `server` and `events`."""
    folder = tmp_path / "application"
    folder.mkdir()
    (folder / "server.py").write_text('NAME = "mine"\n')
    (folder / "events.py").write_text('POST = "post-123"\n')
    (folder / "main.py").write_text(APPLICATION)
    return folder


@pytest.mark.parametrize("major", ["6", "7"])
def test_it_stands_beside_modules_named_as_those_of_the_service(
    served: Service, wheel: Path, application: Path, tmp_path: Path, major: str
) -> None:
    """With protobuf 6 and with protobuf 7."""
    python = make_environment(tmp_path / "env", str(wheel), f"protobuf=={major}.*")
    run = run_there(python, "main.py", served.address, f"packaged-{major}", cwd=application)
    assert (run.returncode, run.stdout) == (0, f"{major} mine 1\n"), run.stderr
    assert len(stored_events(served, f"packaged-{major}")) == 1


def test_pip_installs_it_with_three_dependencies(wheel: Path, tmp_path: Path) -> None:
    """And what these need themselves; nothing of the service."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "env"], check=True)
    python = tmp_path / "env" / "bin" / "python"
    installed = run_there(python, "-m", "pip", "install", "--quiet", str(wheel), cwd=tmp_path)
    if installed.returncode:
        pytest.skip(f"pip cannot install it: {installed.stderr.strip().splitlines()[-1:]}")
    names = run_there(python, "-m", "pip", "list", "--format=freeze", cwd=tmp_path).stdout.splitlines()
    assert {name.partition("==")[0] for name in names} - {"pip", "setuptools", "wheel"} == {
        "googleapis-common-protos",
        "grpcio",
        "protobuf",
        "sociallive-analytics-client",
        "typing_extensions",
    }


def test_mypy_sees_its_types(wheel: Path, tmp_path: Path) -> None:
    """Strictly, in an application that has only the client."""
    python = make_environment(tmp_path / "env", str(wheel), "mypy", "types-protobuf")
    (tmp_path / "typed.py").write_text(TYPED)
    run = run_there(python, "-m", "mypy", "--strict", "typed.py", cwd=tmp_path)
    assert run.returncode == 0, run.stdout
    (tmp_path / "typed.py").write_text(TYPED + WRONG)
    run = run_there(python, "-m", "mypy", "--strict", "typed.py", cwd=tmp_path)
    errors = [line for line in run.stdout.splitlines() if "error:" in line]
    first = TYPED.count("\n") + 1
    assert {int(line.split(":")[1]) for line in errors} == {first + number for number in range(1, 5)}, run.stdout


def test_client_and_service_share_an_environment(wheel: Path, tmp_path: Path) -> None:
    """Each file belongs to one of them."""
    service = build_wheel(ROOT, tmp_path / "service")
    python = make_environment(tmp_path / "env", str(wheel), str(service))
    script = """
from importlib.metadata import distribution
import server.rpc.analytics_service, sociallive_analytics, sociallive.analytics.v1.event_pb2 as stubs
names = ("sociallive-analytics", "sociallive-analytics-client")
service, client = ({str(file) for file in distribution(name).files} for name in names)
print(len(service & client), stubs.__file__ in {str(distribution(names[1]).locate_file(name)) for name in client})
"""
    run = run_there(python, "-c", script, cwd=tmp_path)
    assert (run.returncode, run.stdout) == (0, "0 True\n"), run.stderr
