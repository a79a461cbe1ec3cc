"""The examples of the Python client, and an application on gevent, run with the real frameworks."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.running import Service, eventually
from tests.clients.fresh_environment import CLIENT, build_wheel, make_environment, run_there
from tests.clients.stored import stored_events

pytestmark = pytest.mark.slow

EXAMPLES = CLIENT / "examples"
FRAMEWORKS = ("celery", "django", "fastapi", "gevent", "httpx")
FASTAPI = """
from fastapi.testclient import TestClient
from fastapi_app import app
with TestClient(app) as client:
    for number in range(30):
        assert client.get(f"/posts/{number}", headers={"x-user": "fastapi"}).json()["event"]
"""
DJANGO = """
import django
import django_app
from django.test import Client
django.setup()
for number in range(30):
    assert Client().get(f"/posts/{number}", headers={"x-user": "django"}).json()["event"]
"""
SEND_TASKS = """
from celery_app import complete_order
for number in range(30):
    complete_order.delay("celery", {"productId": "p", "orderId": str(number), "amount": 1.5})
"""
GEVENT = """
from gevent import monkey
monkey.patch_all()
import gevent
from sociallive_analytics import Analytics
analytics = Analytics()
turns = 0
def count():
    global turns
    while True:
        turns += 1
        gevent.sleep(0)
counter = gevent.spawn(count)
greenlets = [gevent.spawn(analytics.track, "view", {"contentType": "post", "contentId": str(n)}, user_id="gevent")
             for n in range(300)]
gevent.joinall(greenlets)
before = turns
assert analytics.flush(30) == 0
assert turns > before, "a call held the other greenlets up"
counter.kill()
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the client and the frameworks."""
    folder = tmp_path_factory.mktemp("frameworks")
    return make_environment(folder / "env", str(build_wheel(CLIENT, folder)), *FRAMEWORKS)


@pytest.mark.parametrize(("user", "script"), [("fastapi", FASTAPI), ("django", DJANGO), ("gevent", GEVENT)])
def test_an_application_tracks_events(served: Service, python: Path, user: str, script: str) -> None:
    """All that it tracked is stored when it has ended."""
    run = run_there(python, "-c", script, cwd=EXAMPLES, ANALYTICS_ADDRESS=served.address)
    assert run.returncode == 0, run.stderr
    assert len(stored_events(served, user)) == (300 if user == "gevent" else 30)


def test_a_celery_worker_tracks_events(served: Service, python: Path, tmp_path: Path) -> None:
    """Its processes are forked, and flush when the worker stops."""
    environment = {
        "ANALYTICS_ADDRESS": served.address,
        "CELERY_BROKER_URL": "filesystem://",
        "CELERY_BROKER_FOLDER": str(tmp_path),
    }
    sent = run_there(python, "-c", SEND_TASKS, cwd=EXAMPLES, **environment)
    assert sent.returncode == 0, sent.stderr
    command = [
        str(python),
        "-m",
        "celery",
        "--app",
        "celery_app",
        "worker",
        "--concurrency",
        "2",
        "--loglevel",
        "error",
    ]
    with (tmp_path / "worker.log").open("w") as log:
        worker = subprocess.Popen(command, cwd=EXAMPLES, env={**os.environ, **environment}, stdout=log, stderr=log)
    try:
        eventually("all tasks ran", lambda: len(stored_events(served, "celery")) == 30, timeout_s=60)
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait(30)
    events = stored_events(served, "celery")
    assert [(event.purchase.currency, event.purchase.amount) for event in events] == [("USD", 1.5)] * 30
