"""A real browser: headless Chromium opens a page that runs a test's script, and tells what came of it."""

import http.server
import json
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
RUN_TIMEOUT_S = 60.0
FLAGS = (
    "--headless",
    "--no-sandbox",  # tests may run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PAGE = """<!doctype html><meta charset="utf-8"><script type="module">
let told;
try {{
  told = {{ result: await (async () => {{ {script} }})() }};
}} catch (error) {{
  told = {{ error: String(error) }};
}}
await fetch("/told", {{ method: "POST", body: JSON.stringify(told) }});
</script>"""


def need_chromium() -> str:
    """Find the browser, or skip and say why."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(NAMES)} is on PATH: `make tools` installs it, as root on Debian")
    return found


class Site:
    """A web site of the test's own on a port, which is the origin of its pages."""

    def __init__(self, port: int) -> None:
        """Listen."""
        self._page = b""
        self._told = threading.Event()
        self._result: dict[str, Any] = {}
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def run(self, script: str, *, trusts_any_certificate: bool = False) -> Any:
        """Open a page that runs `script`, the body of an async function, and return what it returns.

        A page may call servers whose authority this machine does not know, if `trusts_any_certificate` says so.

        Raises:
            AssertionError: it threw.
        """
        self._page, self._result = PAGE.format(script=script).encode(), {}
        self._told.clear()
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            flags = [*FLAGS, *(["--ignore-certificate-errors"] if trusts_any_certificate else [])]
            command = [need_chromium(), *flags, f"--user-data-dir={profile}", "--remote-debugging-port=0", self.origin]
            browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                assert self._told.wait(RUN_TIMEOUT_S), "the page does not tell anything"
            finally:
                browser.terminate()
                browser.wait(RUN_TIMEOUT_S)
        assert "error" not in self._result, self._result
        return self._result.get("result")

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(site._page)

            def do_POST(self) -> None:
                site._result = json.loads(self.rfile.read(int(self.headers["content-length"])))
                self._answer(b"")
                site._told.set()

            def _answer(self, body: bytes) -> None:
                self.send_response(200)
                self.send_header("content-type", "text/html")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Be silent."""

        return Handler


@contextmanager
def site(port: int = 0) -> Iterator[Site]:
    """Run a site; 0 picks a free port."""
    need_chromium()
    running = Site(port)
    try:
        yield running
    finally:
        running.close()
