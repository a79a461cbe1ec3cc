"""The smallest client that keeps the promise: a file of events, sent over REST until each is answered.

It is what the conformance kit is tested with. The environment variable REFERENCE_FAULT makes it a bad client: "lose"
forgets a batch whose request failed, "double" sends it again under new ids, "silent" reports no rejection.
"""

import argparse
import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from events.ids import uuid7

BATCH = 20
TIMEOUT_S = 5.0
RETRY_S = 0.2
SPLIT_STATUSES = frozenset({400, 413})
FAULT = os.environ.get("REFERENCE_FAULT", "")

Event = dict[str, Any]


class Client:
    """Appends each event to a file before it accepts it, and removes it when it is answered."""

    def __init__(self, endpoint: str, state: Path) -> None:
        self._url = f"{endpoint}/analytics/events/batch"
        self._file = state / "queue.ndjson"
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        self._events: list[Event] = [json.loads(line) for line in lines]

    def track(self, operation: dict[str, Any]) -> str:
        """Accept an event; return its id."""
        event = {
            "eventId": uuid7(),
            "eventType": operation["type"],
            "userId": operation["userId"],
            "data": operation["data"],
        }
        self._events.append(event)
        with self._file.open("a") as file:
            file.write(json.dumps(event) + "\n")
        if len(self._events) % BATCH == 0:
            self.send(self._events[:BATCH])
        return str(event["eventId"])

    def flush(self, timeout_s: float) -> int:
        """Send for some time; return the number of events left."""
        deadline = time.monotonic() + timeout_s
        while self._events and time.monotonic() < deadline:
            if not self.send(self._events[:BATCH]):
                time.sleep(RETRY_S)
        return len(self._events)

    def send(self, batch: list[Event]) -> bool:
        """Send a batch once; return whether it was answered."""
        body = json.dumps({"events": batch}).encode()
        request = urllib.request.Request(self._url, body, {"content-type": "application/json"})  # noqa: S310 - of the kit
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310 - likewise
                rejections = json.load(response).get("rejections", [])
        except urllib.error.HTTPError as exc:
            if exc.code not in SPLIT_STATUSES:
                return self._failed(batch)
            if len(batch) > 1:
                middle = len(batch) // 2
                return self.send(batch[:middle]) and self.send(batch[middle:])
            rejections = [{"eventId": batch[0]["eventId"], "reason": f"HTTP {exc.code}"}]
        except (OSError, ValueError):
            return self._failed(batch)
        for rejection in rejections:
            if FAULT != "silent":
                say({"op": "rejected", "eventId": rejection["eventId"], "reason": rejection["reason"]})
        self._remove(batch)
        return True

    def _failed(self, batch: list[Event]) -> bool:
        if FAULT == "lose":
            self._remove(batch)
        if FAULT == "double":
            for event in batch:
                event["eventId"] = uuid7()
        return False

    def _remove(self, batch: list[Event]) -> None:
        done = {event["eventId"] for event in batch}
        self._events = [event for event in self._events if event["eventId"] not in done]
        fresh = self._file.with_suffix(".new")
        fresh.write_text("".join(json.dumps(event) + "\n" for event in self._events))
        fresh.replace(self._file)


def say(message: dict[str, Any]) -> None:
    """Write one line."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Answer operations until `close`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--state", type=Path, required=True)
    options = parser.parse_args()
    client = Client(options.endpoint, options.state)
    for line in sys.stdin:
        operation = json.loads(line)
        match operation["op"]:
            case "track":
                say({"op": "accepted", "eventId": client.track(operation)})
            case "flush":
                say({"op": "flushed", "pending": client.flush(operation["timeoutMs"] / 1000)})
            case "close":
                client.flush(1.0)
                return


if __name__ == "__main__":
    main()
