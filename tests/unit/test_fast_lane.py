"""`make test-fast` starts no process: a fast test that does fails in every run."""

import asyncio
import os
import subprocess
import sys

import pytest

ENDS_AT_ONCE = (sys.executable, "-c", "")


def test_a_fast_test_cannot_start_a_process() -> None:
    """This test is a fast one."""
    with pytest.raises(pytest.fail.Exception, match=r"mark it with @pytest\.mark\.processes"):
        subprocess.run(ENDS_AT_ONCE, check=False)
    with pytest.raises(pytest.fail.Exception, match="starts a process"):
        os.posix_spawn(sys.executable, ENDS_AT_ONCE, {})


async def test_a_fast_test_cannot_start_a_process_on_a_loop() -> None:
    """Likewise."""
    with pytest.raises(pytest.fail.Exception, match="starts a process"):
        await asyncio.create_subprocess_exec(*ENDS_AT_ONCE)


@pytest.mark.processes
def test_another_test_can() -> None:
    """It says that it does."""
    assert subprocess.run(ENDS_AT_ONCE, check=True).returncode == 0


def test_the_fast_tests_are_chosen_by_what_they_are(request: pytest.FixtureRequest) -> None:
    """Collection marks them, so that nobody has to remember it."""
    ours = {item.name: item for item in request.session.items if item.path == request.node.path}
    assert ours[test_a_fast_test_cannot_start_a_process.__name__].get_closest_marker("fast")
    if test_another_test_can.__name__ in ours:
        assert not ours[test_another_test_can.__name__].get_closest_marker("fast")
