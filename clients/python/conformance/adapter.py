"""The adapter of the conformance kit for `Analytics`; see clients/conformance/README.md. `--async` takes the other one.

It needs an environment that has the client.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from sociallive_analytics import Analytics, AsyncAnalytics, Dropped, InvalidEventError, Options, Rejected

EXIT_FLUSH_S = 30.0


def say(message: dict[str, Any]) -> None:
    """Write one line."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def report_rejected(event: Rejected) -> None:
    """Report an event that the service refused."""
    say({"op": "rejected", "eventId": event.event_id, "reason": event.reason})


def report_dropped(event: Dropped) -> None:
    """Report an event that the client gave up."""
    say({"op": "dropped", "eventId": event.event_id, "reason": event.reason})


OPTIONS = Options(when_full="block", exit_flush_s=EXIT_FLUSH_S, on_rejected=report_rejected, on_dropped=report_dropped)


async def answer(operation: dict[str, Any], analytics: Analytics | AsyncAnalytics) -> bool:
    """Answer an operation; return whether it was `close`."""
    match operation["op"]:
        case "track":
            track: Callable[..., Any] = analytics.track
            try:
                event_id = await done(track(operation["type"], operation["data"], user_id=operation["userId"]))
            except InvalidEventError as exc:
                say({"op": "refused", "reason": str(exc)})
            else:
                say({"op": "accepted", "eventId": event_id} if event_id else {"op": "refused", "reason": "QUEUE_FULL"})
        case "flush":
            say({"op": "flushed", "pending": await done(analytics.flush(operation["timeoutMs"] / 1000))})
        case "close":
            await done(analytics.close(EXIT_FLUSH_S))
            return True
    return False


async def done(result: Any) -> Any:
    """Await the result of an asynchronous client, and return that of the other as it is."""
    return await result if isinstance(result, Awaitable) else result


async def main() -> None:
    """Answer operations until `close`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--endpoint")
    parser.add_argument("--state")
    parser.add_argument("--address", required=True)
    parser.add_argument("--async", dest="is_async", action="store_true")
    options = parser.parse_args()
    analytics = (AsyncAnalytics if options.is_async else Analytics)(options.address, OPTIONS)
    while line := await asyncio.to_thread(sys.stdin.readline):
        if await answer(json.loads(line), analytics):
            return


if __name__ == "__main__":
    asyncio.run(main())
