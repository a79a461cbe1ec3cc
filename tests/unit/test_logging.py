"""What a log shows of exceptions: their kind and place, never their text."""

import subprocess
import sys

import asyncpg
import pytest

from runtime.errors import AnalyticsError
from runtime.fault import MAX_CHAIN, describe_fault, fault_text, name_fault

SECRET = "canary-7f3a"  # noqa: S105 - what must not appear
PROGRAM = """
import asyncio, logging, sys, threading, asyncpg, structlog
from runtime.logging import configure_logging
configure_logging(level="debug", form=sys.argv[1], process="test")
log = structlog.get_logger()
def fail():
    try:
        try:
            int("canary-7f3a")
        except ValueError as exc:
            raise asyncpg.UniqueViolationError("Key (user_id)=(canary-7f3a)") from exc
    except Exception as exc:
        raise ExceptionGroup("canary-7f3a", [exc, KeyError("canary-7f3a")])
class Broken:
    def __del__(self):
        fail()
async def forgotten():
    fail()
async def main():
    task = asyncio.create_task(forgotten())
    await asyncio.sleep(0)
    del task
    asyncio.get_running_loop().call_soon(lambda secret: fail(), "canary-7f3a")
    await asyncio.sleep(0)
try:
    fail()
except Exception as exc:
    log.exception("caught")
    log.warning("handed over", exc_info=exc)
    logging.getLogger("library").error("failed on %s", "canary-7f3a", exc_info=True)
logging.getLogger("library").warning("warned of canary-7f3a")
asyncio.run(main())
thread = threading.Thread(target=fail)
thread.start()
thread.join()
Broken()
fail()
"""


class OurError(AnalyticsError):
    """An error of ours."""

    reason = "OURS"


def raised(exc: Exception) -> Exception:
    """Raise an exception and return it with its traceback."""
    with pytest.raises(type(exc)) as caught:
        raise exc
    return caught.value


@pytest.mark.processes
@pytest.mark.finding(30)
@pytest.mark.parametrize("form", ["json", "console"])
def test_no_way_of_failing_shows_a_text(form: str) -> None:
    """Caught, handed over, in a library, a task, a callback, a thread, a destructor, and not caught at all."""
    run = subprocess.run([sys.executable, "-c", PROGRAM, form], capture_output=True, text=True, timeout=30, check=False)
    assert run.returncode == 1
    assert SECRET not in run.stdout + run.stderr
    for sign in ("caught", "handed over", "library_message", "thread_failed", "exception_ignored", "process_failed"):
        assert sign in run.stderr
    assert run.stderr.count("UniqueViolationError") >= 7
    assert "23505" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_fault_is_described_by_kind_and_place() -> None:
    """Reason, SQLSTATE and errno are told; the frames lead to the line."""
    (ours,) = describe_fault(raised(OurError(SECRET)))
    assert (ours["type"], ours["reason"]) == ("OurError", "OURS")
    assert ours["frames"][0].startswith("tests/unit/test_logging.py:")
    assert ours["frames"][0].endswith(" in raised")
    assert name_fault(asyncpg.CheckViolationError(SECRET)) == "CheckViolationError 23514"
    assert name_fault(ConnectionRefusedError(111, SECRET)) == "ConnectionRefusedError ECONNREFUSED"
    assert name_fault(ValueError(SECRET)) == "ValueError"


def test_causes_are_described_in_order_and_bounded() -> None:
    """The newest first; a chain without end is cut."""
    last: Exception = ValueError(SECRET)
    for number in range(2 * MAX_CHAIN):
        following = KeyError(number)
        following.__cause__ = last
        last = following
    assert len(describe_fault(last)) == MAX_CHAIN
    outer = OurError("outer")
    outer.__cause__ = ValueError(SECRET)
    assert fault_text(outer).splitlines() == ["OurError OURS", "caused by ValueError"]
