"""The example data set through the whole service: imported over a crash, and reported to the cent."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.running import WORKER, Service, eventually

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
IMPORT = ("import", str(EXAMPLES / "cdnow.csv.gz"), "--mapping", str(EXAMPLES / "cdnow.toml"), "--json")
DASHBOARD = ("report", "dashboard", "--from", "1997-01-01", "--to", "1998-07-01", "--json")
PURCHASES = 69659


@contextmanager
def started(service: Service, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start an `analytics` command; one that still runs at the end is killed."""
    command = [sys.executable, "-m", "cli", *arguments, "--address", service.address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def answer(process: subprocess.Popen[str]) -> Any:
    """Wait for a command that prints JSON, and read it."""
    out, told = process.communicate(timeout=120)
    assert process.returncode == 0, told
    return json.loads(out)


def ask(service: Service, *arguments: str) -> Any:
    """Run a command that prints JSON, and read it."""
    with started(service, *arguments) as process:
        return answer(process)


@pytest.mark.slow
def test_an_import_goes_on_over_a_killed_server_and_stores_every_purchase_once(tmp_path: Path) -> None:
    """Chunks without an answer are sent again; the totals are the data set's own, also after a second import."""
    with Service(
        tmp_path / "data",
        command="serve",
        ANALYTICS_RETENTION_RAW_DAYS="0",
        ANALYTICS_WORKERS="1",
        ANALYTICS_DRAIN_SECONDS="0.5",
    ) as service:
        with started(service, *IMPORT) as running:
            eventually("the first events", lambda: int(ask(service, *DASHBOARD)["events"]) > 0)
            assert running.poll() is None, "the import ended before the server could be killed"
            service.kill()
            eventually("the killed server's worker is gone", lambda: not service.pids(WORKER))
            service.start()
            counts = answer(running)
        # Some may have come while the killed server's Postgres was on its way down.
        assert counts["received"] == PURCHASES == counts["stored"] + counts["duplicates"] + counts["spooled"]
        eventually("all are stored", lambda: int(ask(service, *DASHBOARD)["events"]) == PURCHASES)
        again = ask(service, *IMPORT)
        assert (again["stored"], again["duplicates"], again["rejected"]) == (0, PURCHASES, 0)
        dashboard = ask(service, *DASHBOARD)
    assert (dashboard["events"], dashboard["users"]) == (str(PURCHASES), "23570")
    assert dashboard["revenue"] == [{"currency": "USD", "amount": "2500315.63", "orders": str(PURCHASES)}]


def test_an_import_of_old_events_says_that_they_do_not_stay(service: Service, tmp_path: Path) -> None:
    """In one line on the terminal, with their number and the setting that would keep them."""
    file = tmp_path / "old.ndjson"
    times = ["1999-12-31T23:59:59Z", "2000-01-01T00:00:00Z", f"{datetime.now(UTC):%FT%TZ}"]
    lines = [{"timestamp": time, "view": {"contentType": "post", "contentId": "1"}} for time in times]
    file.write_text("\n".join(map(json.dumps, lines)))
    with started(service, "import", str(file)) as process:
        _, told = process.communicate(timeout=60)
    (warning,) = told.splitlines()
    assert warning.startswith("warning: in 2 records timestamp is more than 90 days old")
    assert "ANALYTICS_RETENTION_RAW_DAYS" in warning
