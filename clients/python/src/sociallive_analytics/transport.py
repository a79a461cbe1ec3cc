"""The calls of the client, as bytes, over channels that are opened with the first call of a process."""

import sys
from functools import partial
from typing import Any

import grpc
import grpc.aio

from sociallive.analytics.v1 import analytics_service_pb2
from sociallive.analytics.v1.track_pb2 import TrackEventsResponse, TrackResponse

_SERVICE = analytics_service_pb2.DESCRIPTOR.services_by_name["AnalyticsService"].full_name
CHANNEL_OPTIONS = (
    # A service that restarts is found again within a second, not after gRPC's two minutes.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # Retries are this client's own: gRPC's stop after five, and know nothing of RetryInfo.
    ("grpc.enable_retries", 0),
    # Each client has a connection of its own, also after a fork.
    ("grpc.use_local_subchannel_pool", 1),
)


class Calls:
    """The two calls over one channel, with the key. They take bytes, see `encoding.write_request`."""

    def __init__(self, channel: Any, key: str | None) -> None:
        self._channel = channel
        metadata = (("authorization", f"Bearer {key}"),) if key else ()
        self.track_events: Any = partial(
            channel.unary_unary(f"/{_SERVICE}/TrackEvents", response_deserializer=TrackEventsResponse.FromString),
            metadata=metadata,
        )
        self.track: Any = partial(
            channel.unary_unary(f"/{_SERVICE}/Track", response_deserializer=TrackResponse.FromString),
            metadata=metadata,
        )

    def close(self) -> Any:
        """Close the channel and cancel its calls; an asynchronous channel returns what to await."""
        return self._channel.close()


def open_calls(address: str, credentials: grpc.ChannelCredentials | None, key: str | None) -> Calls:
    """Open a channel for threads. It connects with the first call."""
    _support_gevent()
    if credentials is None:
        return Calls(grpc.insecure_channel(address, options=CHANNEL_OPTIONS), key)
    return Calls(grpc.secure_channel(address, credentials, options=CHANNEL_OPTIONS), key)


def open_async_calls(address: str, credentials: grpc.ChannelCredentials | None, key: str | None) -> Calls:
    """Open a channel for the running event loop. It connects with the first call."""
    if credentials is None:
        return Calls(grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS), key)
    return Calls(grpc.aio.secure_channel(address, credentials, options=CHANNEL_OPTIONS), key)


def _support_gevent() -> None:
    """Let gRPC wait by gevent if the application replaced threads by greenlets, which a call would else all block."""
    monkey: Any = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched("threading"):
        from grpc.experimental import gevent  # noqa: PLC0415 - it imports gevent  # type: ignore[attr-defined]

        gevent.init_gevent()
