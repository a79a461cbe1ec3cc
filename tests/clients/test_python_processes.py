"""The Python client in processes that fork, end, or are replaced: real interpreters, before a real service."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.running import Service, free_port
from tests.clients.stored import stored_events

PROGRAM_TIMEOUT_S = 60.0
SLACK_S = 10.0
"""A busy machine may run an interpreter late."""
PRELUDE = """
import os, sys, time
from sociallive_analytics import Analytics, Options
analytics = Analytics(sys.argv[1])
POST = {"contentType": "post", "contentId": "p"}
def track(user, count=1):
    for _ in range(count):
        assert analytics.track("view", POST, user_id=user)
"""


def run_program(folder: Path, text: str, address: str) -> subprocess.CompletedProcess[str]:
    """Run a program in an interpreter of its own."""
    path = folder / "program.py"
    path.write_text(PRELUDE + text)
    arguments = [sys.executable, str(path), address]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=PROGRAM_TIMEOUT_S, check=False)


def test_the_end_of_the_interpreter_flushes(served: Service, tmp_path: Path) -> None:
    """Without a word from the application."""
    run = run_program(tmp_path, "track('exit', 250)", served.address)
    assert (run.returncode, run.stderr) == (0, "")
    assert len(stored_events(served, "exit")) == 250


def test_an_exception_ends_no_differently(served: Service, tmp_path: Path) -> None:
    """What was tracked before it is stored."""
    run = run_program(tmp_path, "track('raised', 3); raise SystemExit(7)", served.address)
    assert run.returncode == 7
    assert len(stored_events(served, "raised")) == 3


def test_the_end_of_the_interpreter_waits_two_seconds_at_most_and_names_the_loss(tmp_path: Path) -> None:
    """In one line on stderr; the exit code is the application's."""
    # The function that is registered first runs last: when the client has flushed.
    text = """
import atexit
from sociallive_analytics import process
atexit.unregister(process._at_exit)
atexit.register(lambda: print(time.monotonic() - ended))
atexit.register(process._at_exit)
track("gone", 3)
analytics.track_session(action="start")
ended = time.monotonic()
"""
    run = run_program(tmp_path, text, f"127.0.0.1:{free_port()}")
    assert run.returncode == 0
    assert run.stderr == "4 analytics events were not delivered before the client was closed: 1 session, 3 view\n"
    assert 1.9 < float(run.stdout) < 2.0 + SLACK_S


def test_a_forked_process_sends_its_own_events_and_not_its_parent_s(served: Service, tmp_path: Path) -> None:
    """Parent and children track before and after forks, while the parent's sender is at work."""
    text = """
children = []
for number in range(5):
    track("forked", 100)
    pid = os.fork()
    if pid == 0:
        track("forked", 20)
        assert analytics.flush(30) == 0
        statistics = analytics.statistics()
        os._exit(0 if (statistics.accepted, statistics.acknowledged) == (20, 20) else 3)
    children.append(pid)
assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0] * 5
assert analytics.flush(30) == 0
print(analytics.statistics().accepted)
"""
    run = run_program(tmp_path, text, served.address)
    assert (run.returncode, run.stdout) == (0, "500\n"), run.stderr
    events = [event.event_id for event in stored_events(served, "forked")]
    assert (len(events), len(set(events))) == (600, 600)


def test_a_child_of_multiprocessing_flushes_at_its_end(served: Service, tmp_path: Path) -> None:
    """Such a child runs no functions of `atexit`."""
    text = """
import multiprocessing
if __name__ == "__main__":
    track("children", 1)
    with_fork = multiprocessing.get_context("fork")
    processes = [with_fork.Process(target=track, args=("children", 10)) for _ in range(3)]
    for process in processes: process.start()
    for process in processes: process.join()
    print([process.exitcode for process in processes])
"""
    run = run_program(tmp_path, text, served.address)
    assert (run.returncode, run.stdout) == (0, "[0, 0, 0]\n"), run.stderr
    assert len(stored_events(served, "children")) == 31


@pytest.mark.slow
def test_many_events_at_once_are_all_stored(served: Service, tmp_path: Path) -> None:
    """As `make bench-client` does, with fewer: from four threads, without a pause."""
    text = """
import threading
analytics = Analytics(sys.argv[1], Options(queue_events=100_000))
threads = [threading.Thread(target=track, args=("many", 5_000)) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert analytics.flush(50) == 0
statistics = analytics.statistics()
print(statistics.acknowledged, statistics.dropped)
"""
    run = run_program(tmp_path, text, served.address)
    assert (run.returncode, run.stdout) == (0, "20000 0\n"), run.stderr
    events = [event.event_id for event in stored_events(served, "many")]
    assert (len(events), len(set(events))) == (20_000, 20_000)
