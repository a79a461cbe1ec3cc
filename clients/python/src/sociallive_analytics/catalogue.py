"""The event types of the service, typed. Written by `make gen` from the .proto files: change those."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, Unpack

from google.protobuf.message import Message

from sociallive.analytics.v1.engagement_event_pb2 import EngagementEvent
from sociallive.analytics.v1.purchase_event_pb2 import PurchaseEvent
from sociallive.analytics.v1.session_event_pb2 import SessionEvent
from sociallive.analytics.v1.stream_event_pb2 import StreamEvent
from sociallive.analytics.v1.view_event_pb2 import ViewEvent
from sociallive_analytics.context import Envelope

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Payload:
    """One event type.

    Attributes:
        message: of its payload.
        version: the newest one that this client knows; its events are of this version.
        fields: the name in the .proto file of each field, by that name and by its name in JSON.
        currency: the field that has a default currency; empty if none has.
    """

    message: type[Message]
    version: str
    fields: Mapping[str, str]
    currency: str


PAYLOADS: Mapping[str, Payload] = {
    "view": Payload(
        ViewEvent,
        "1.1.0",
        {
            "contentType": "content_type",
            "content_type": "content_type",
            "contentId": "content_id",
            "content_id": "content_id",
            "viewDuration": "view_duration",
            "view_duration": "view_duration",
            "scrollDepth": "scroll_depth",
            "scroll_depth": "scroll_depth",
            "referrer": "referrer",
        },
        "",
    ),
    "engagement": Payload(
        EngagementEvent,
        "1.1.0",
        {
            "action": "action",
            "targetType": "target_type",
            "target_type": "target_type",
            "targetId": "target_id",
            "target_id": "target_id",
            "metadata": "metadata",
        },
        "",
    ),
    "purchase": Payload(
        PurchaseEvent,
        "1.1.0",
        {
            "productId": "product_id",
            "product_id": "product_id",
            "orderId": "order_id",
            "order_id": "order_id",
            "amount": "amount",
            "currency": "currency",
            "quantity": "quantity",
            "paymentMethod": "payment_method",
            "payment_method": "payment_method",
            "conversionPath": "conversion_path",
            "conversion_path": "conversion_path",
            "metadata": "metadata",
        },
        "currency",
    ),
    "stream": Payload(
        StreamEvent,
        "1.1.0",
        {
            "streamId": "stream_id",
            "stream_id": "stream_id",
            "action": "action",
            "watchDuration": "watch_duration",
            "watch_duration": "watch_duration",
            "viewerCount": "viewer_count",
            "viewer_count": "viewer_count",
            "quality": "quality",
            "bitrateKbps": "bitrate_kbps",
            "bitrate_kbps": "bitrate_kbps",
            "metadata": "metadata",
        },
        "",
    ),
    "session": Payload(
        SessionEvent,
        "1.1.0",
        {
            "action": "action",
            "duration": "duration",
            "entryPoint": "entry_point",
            "entry_point": "entry_point",
            "metadata": "metadata",
        },
        "",
    ),
}
"""The event types by name."""


class TypedEvents(ABC, Generic[Result]):
    """One method for each event type."""

    @abstractmethod
    def _track(self, event_type: str, data: Mapping[str, Any], envelope: Envelope) -> Result:
        """Queue an event."""

    def track_view(
        self,
        *,
        content_type: str,
        content_id: str,
        view_duration: float | None = None,
        scroll_depth: float | None = None,
        referrer: str | None = None,
        **envelope: Unpack[Envelope],
    ) -> Result:
        """A user viewed content.

        Args:
            content_type: The type of the content.
            content_id: The content's id.
            view_duration: How long the content was visible (dwell time). In s.
            scroll_depth: How far the content was scrolled: 0 is the top, 1 the end.
            referrer: What led to the content, for example "feed".
            envelope: what the event has beside its payload, such as user_id.
        """
        data = {
            "content_type": content_type,
            "content_id": content_id,
            "view_duration": view_duration,
            "scroll_depth": scroll_depth,
            "referrer": referrer,
        }
        return self._track("view", data, envelope)

    def track_engagement(
        self,
        *,
        action: str,
        target_type: str,
        target_id: str,
        metadata: Mapping[str, Any] | None = None,
        **envelope: Unpack[Envelope],
    ) -> Result:
        """A user reacted to something.

        Args:
            action: The user's action.
            target_type: The type of the target.
            target_id: The id of the target.
            metadata: Additional data.
            envelope: what the event has beside its payload, such as user_id.
        """
        data = {
            "action": action,
            "target_type": target_type,
            "target_id": target_id,
            "metadata": metadata,
        }
        return self._track("engagement", data, envelope)

    def track_purchase(
        self,
        *,
        product_id: str,
        order_id: str,
        amount: float,
        currency: str | None = None,
        quantity: int | None = None,
        payment_method: str | None = None,
        conversion_path: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        **envelope: Unpack[Envelope],
    ) -> Result:
        """A user bought something.

        Args:
            product_id: The product's id.
            order_id: The order's id.
            amount: The total amount paid, in units of the currency. It is stored as the decimal that the number prints
                as: 29.99 is stored as exactly 29.99.
            currency: The currency of the amount. Missing: the client's default currency.
            quantity: The quantity bought.
            payment_method: The payment method.
            conversion_path: The steps that led to the purchase, in order.
            metadata: Additional data.
            envelope: what the event has beside its payload, such as user_id.
        """
        data = {
            "product_id": product_id,
            "order_id": order_id,
            "amount": amount,
            "currency": currency,
            "quantity": quantity,
            "payment_method": payment_method,
            "conversion_path": conversion_path,
            "metadata": metadata,
        }
        return self._track("purchase", data, envelope)

    def track_stream(
        self,
        *,
        stream_id: str,
        action: str,
        watch_duration: float | None = None,
        viewer_count: int | None = None,
        quality: str | None = None,
        bitrate_kbps: int | None = None,
        metadata: Mapping[str, Any] | None = None,
        **envelope: Unpack[Envelope],
    ) -> Result:
        """An action in a live stream.

        Args:
            stream_id: The live stream's id.
            action: The action.
            watch_duration: How long the viewer has watched. In s.
            viewer_count: The current number of viewers.
            quality: The video quality, for example "1080p".
            bitrate_kbps: The bit rate. In kbps.
            metadata: Additional data.
            envelope: what the event has beside its payload, such as user_id.
        """
        data = {
            "stream_id": stream_id,
            "action": action,
            "watch_duration": watch_duration,
            "viewer_count": viewer_count,
            "quality": quality,
            "bitrate_kbps": bitrate_kbps,
            "metadata": metadata,
        }
        return self._track("stream", data, envelope)

    def track_session(
        self,
        *,
        action: str,
        duration: float | None = None,
        entry_point: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        **envelope: Unpack[Envelope],
    ) -> Result:
        """A session started, continued or ended.

        Args:
            action: The action.
            duration: How long the session has lasted. In s.
            entry_point: The entry point of the session, for example "push" or "deep_link".
            metadata: Additional data.
            envelope: what the event has beside its payload, such as user_id.
        """
        data = {
            "action": action,
            "duration": duration,
            "entry_point": entry_point,
            "metadata": metadata,
        }
        return self._track("session", data, envelope)
