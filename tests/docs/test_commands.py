"""The commands and programs of the documents run, page by page and in order, against a service that is running.

Each page has a folder of its own, with the files that the page speaks of. Ports, and the id of a rejected event, are
replaced by those of the service; nothing else is. tests/docs/pages.py describes how a block says that it cannot run.
"""

import gzip
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.acceptance.running import Service, eventually, free_port
from tests.conftest import copy_data_dir
from tests.docs.pages import PAGES, ROOT, Block, read_blocks
from tests.gateway.running import need_envoy

SHELL = ("sh", "bash")
BLOCKS = {page: read_blocks(page) for page in PAGES}
RUNNABLE = {
    page: [block for block in blocks if block.language in (*SHELL, "python") and not block.skipped_because]
    for page, blocks in BLOCKS.items()
    if not page.startswith("clients/")
}
"""What runs, by page; clients check their own documents, with their own tools."""
BLOCK_TIMEOUT_S = 120
REJECTED_ID = "01890a5d-ac96-774b-bcce-b302099a8057"
"""Stands for the id of a rejected event in the documents."""
SALES = "sku;price;day;customer;step;campaign\nproduct-1;19.99;31.12.2025;user-1;cart;winter\n"
WRONG_SALE = "product-2;free;31.12.2025;user-2;cart;winter\n"
VIEW = {"timestamp": "2026-01-01T12:00:00Z", "view": {"contentType": "post", "contentId": "post-123"}}


@dataclass(frozen=True)
class Running:
    """A service with its gateway, and the id of an event that it has rejected."""

    service: Service
    rest_port: int
    metrics_port: int
    rejected_id: str

    def adapt(self, text: str) -> str:
        """Replace the default ports, and the id of a rejected event."""
        for documented, here in (
            ("localhost:3006", f"127.0.0.1:{self.rest_port}"),
            ("127.0.0.1:50051", self.service.address),
            ("other.example:50051", self.service.address),
            ("127.0.0.1:9464", f"127.0.0.1:{self.metrics_port}"),
            (REJECTED_ID, self.rejected_id),
        ):
            text = text.replace(documented, here)
        return text


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, made_database: Path) -> Iterator[Running]:
    """A service with events of today, and with one rejected event."""
    need_envoy()
    folder = tmp_path_factory.mktemp("documented")
    ports = {"PORT": free_port(), "ANALYTICS_METRICS_PORT": free_port()}
    settings: dict[str, Any] = {name: str(port) for name, port in ports.items()}
    data_dir = copy_data_dir(made_database, folder / "data")
    with Service(data_dir, ANALYTICS_GATEWAY="auto", ANALYTICS_RETENTION_RAW_DAYS="0", **settings) as service:
        eventually("the gateway serves", lambda: "gateway_serving" in service.output())
        (folder / "events").write_text('{"eventType": "view", "data": {"contentId": "post-123"}}\n')
        analytics = [sys.executable, "-m", "cli"]
        subprocess.run([*analytics, "import", "events"], cwd=folder, env=_environment(service, folder), check=False)
        listed = subprocess.run(
            [*analytics, "rejected", "list", "--json"],
            env=_environment(service, folder),
            capture_output=True,
            check=True,
        )
        (rejection,) = json.loads(listed.stdout)["rejectedEvents"]
        yield Running(service, ports["PORT"], ports["ANALYTICS_METRICS_PORT"], rejection["rejectionId"])


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page, blocks in RUNNABLE.items() if blocks])
def test_the_commands_of_a_page_run(page: str, running: Running, tmp_path: Path) -> None:
    """Each block ends with 0, or with the code that the comment above it states."""
    _write_files(page, tmp_path)
    for block in RUNNABLE[page]:
        content = running.adapt(block.content)
        shell = [shutil.which("bash") or "sh", "-e", "-o", "pipefail", "-c"]
        command = [*shell, content] if block.language in SHELL else [sys.executable, "-c", content]
        run = subprocess.run(
            command,
            cwd=tmp_path,
            env=_environment(running.service, tmp_path),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=BLOCK_TIMEOUT_S,
            check=False,
        )
        assert run.returncode == block.exit_code, f"{page}:{block.line}:\n{content}\n{run.stdout[-2000:]}{run.stderr}"


def test_most_commands_run() -> None:
    """The blocks are found, and those that cannot run are few."""
    blocks = [block for page in BLOCKS.values() for block in page if block.language in SHELL]
    skipped = [block for block in blocks if block.skipped_because]
    assert len(blocks) - len(skipped) > 12
    assert len(skipped) < len(blocks) / 2


@pytest.mark.parametrize("page", PAGES)
def test_the_documents_in_a_page_can_be_parsed(page: str) -> None:
    """JSON, one document or one a line; TOML; YAML; Python."""
    for block in BLOCKS[page]:
        if not block.skipped_because:
            _parse(block)


def _parse(block: Block) -> None:
    match block.language:
        case "json":
            try:
                json.loads(block.content)
            except json.JSONDecodeError:
                for line in block.content.splitlines():
                    json.loads(line)
        case "toml":
            tomllib.loads(block.content)
        case "yaml":
            yaml.safe_load(block.content)
        case "python":
            compile(block.content, f"{block.page}:{block.line}", "exec")


def _environment(service: Service, folder: Path) -> dict[str, str]:
    """Make the environment of a user: the service's address, its programs on the path, and the Python client."""
    programs = f"{Path(sys.executable).parent}:{ROOT / '.tools' / 'bin'}"
    return {
        **service.environment,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "clients" / "python" / "src"),
        "CURL_HOME": str(folder),
    }


def _write_files(page: str, folder: Path) -> None:
    """Write what the commands of a page read: its own mapping, and samples of everything else."""
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    for name in (".tools", "examples", "generated", "proto"):
        (folder / name).symlink_to(ROOT / name)
    (folder / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")
    for name in ("events.ndjson.gz", "dump.gz"):
        with gzip.open(folder / name, "wt") as file:
            file.write(json.dumps({"userId": name, **VIEW}) + "\n")
    (folder / "events.ndjson").write_text(json.dumps(VIEW) + "\n")
    for block in BLOCKS[page]:
        if block.language == "toml":
            (folder / "sales.toml").write_text(block.content)
    (folder / "sales.csv").write_text(SALES + WRONG_SALE)
    for name in ("2024-01.csv", "2024-02.csv"):
        (folder / name).write_text(SALES)
    with gzip.open(folder / "sales.csv.gz", "wt") as file:
        file.write(SALES)
