"""The floor of Track: a handler on the same stack that does nothing; `empty_server` runs it in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import uvloop

from runtime.settings import Settings
from server.processes.listening import server_options
from sociallive.analytics.v1.track_pb2 import EventStatus, TrackRequest, TrackResponse

SERVICE = "sociallive.analytics.v1.AnalyticsService"
EVENT_ID = "01890a5d-ac96-774b-bcce-b302099a8057"


async def _track(request: TrackRequest, context: "grpc.aio.ServicerContext[Any, Any]") -> TrackResponse:  # noqa: ARG001 - the shape of a handler
    return TrackResponse(event_id=EVENT_ID, status=EventStatus.EVENT_STATUS_STORED)


async def _serve() -> None:
    server = grpc.aio.server(options=server_options(Settings()))
    handler = grpc.unary_unary_rpc_method_handler(
        _track, request_deserializer=TrackRequest.FromString, response_serializer=TrackResponse.SerializeToString
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Track": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


@contextmanager
def empty_server() -> Iterator[str]:
    """Run the handler in a process of its own and yield its address."""
    process = subprocess.Popen([sys.executable, "-m", "bench.clients.empty_server"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        port = process.stdout.readline().strip()
        if not port:
            raise SystemExit("the empty server does not start; its error is above")
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    uvloop.run(_serve())
