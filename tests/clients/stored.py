"""What the service stores of one user."""

from sociallive.analytics.v1.event_list_pb2 import ListEventsRequest
from sociallive.analytics.v1.event_pb2 import Event
from tests.acceptance.running import Service


def stored_events(service: Service, user_id: str) -> list[Event]:
    """List a user's events, oldest first; an event that were stored twice would be there twice."""
    found: list[Event] = []
    request = ListEventsRequest(timeframe="24h", user_id=user_id, page_size=1000)
    while True:
        page = service.stub.ListEvents(request, timeout=20)
        found += page.events
        if not page.next_page_token:
            return found[::-1]
        request.page_token = page.next_page_token
