"""Page tokens over gRPC: what a caller makes up is refused, and sizes of pages are cut to what is served."""

import base64
import hashlib
import struct
from typing import Any

import grpc
import pytest

from sociallive.analytics.v1.admin_service_pb2 import ListRejectedEventsRequest
from sociallive.analytics.v1.event_list_pb2 import ListEventsRequest
from sociallive.analytics.v1.funnel_pb2 import GetFunnelRequest, ListFunnelActorsRequest
from tests.acceptance.running import Service, fails_with
from tests.acceptance.samples import reason, track

DAY_US = 86_400_000_000
YEAR_9999_US = 253_370_764_800_000_000
FUNNEL = GetFunnelRequest(steps=["view", "view"])


def forge(request: Any, start_us: int, end_us: int) -> str:
    """Make a token as the service made them before it signed them: anyone can who reads its source."""
    asked = type(request)()
    asked.CopyFrom(request)
    asked.ClearField("page_token")
    digest = hashlib.blake2b(asked.SerializeToString(deterministic=True).hex().encode(), digest_size=8).digest()
    if isinstance(request, ListFunnelActorsRequest):
        packed = struct.pack(">B8sqq", 2, digest, start_us, end_us) + b"0"
    else:
        packed = struct.pack(">B8sqqqq16s", 1, digest, start_us, end_us, end_us, 0, bytes(16))
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


@pytest.mark.finding(12)
@pytest.mark.parametrize("range_us", [(0, 100 * 365 * DAY_US), (0, YEAR_9999_US), (-(2**63), 2**63 - 1), (DAY_US, 0)])
@pytest.mark.parametrize("request_", [ListEventsRequest(), ListFunnelActorsRequest(funnel=FUNNEL)])
def test_a_token_that_a_caller_made_up_is_refused(service: Service, request_: Any, range_us: tuple[int, int]) -> None:
    """It would lead beyond the longest range of a report, or to times that no calendar has."""
    method = type(request_).__name__.removesuffix("Request")
    request_.page_token = forge(request_, *range_us)
    with fails_with(grpc.StatusCode.INVALID_ARGUMENT) as caught:
        getattr(service.stub, method)(request_, timeout=20)
    assert reason(caught[0]) == "INVALID_PAGE_TOKEN"
    assert "Start again without a token" in caught[0].details()


@pytest.mark.finding(12)
def test_so_is_one_for_rejected_events(service: Service) -> None:
    """The lists of operators have tokens of the same kind."""
    request = ListRejectedEventsRequest()
    request.page_token = forge(request, 0, YEAR_9999_US)
    with fails_with(grpc.StatusCode.INVALID_ARGUMENT) as caught:
        service.admin_stub.ListRejectedEvents(request, timeout=20)
    assert reason(caught[0]) == "INVALID_PAGE_TOKEN"


def test_a_page_is_cut_to_the_maximum_and_goes_on_with_another_size(service: Service) -> None:
    """More than a page may have is no error, and every event comes once."""
    for sequence in range(3):
        service.stub.Track(track(user_id="pages", sequence=sequence), timeout=10)
    whole = service.stub.ListEvents(ListEventsRequest(user_id="pages", page_size=1_000_000), timeout=20)
    assert (len(whole.events), whole.next_page_token) == (3, "")
    first = service.stub.ListEvents(ListEventsRequest(user_id="pages", page_size=1), timeout=20)
    rest = service.stub.ListEvents(
        ListEventsRequest(user_id="pages", page_size=5_000, page_token=first.next_page_token), timeout=20
    )
    assert [event.event_id for event in (*first.events, *rest.events)] == [event.event_id for event in whole.events]
    actors = ListFunnelActorsRequest(funnel=FUNNEL, page_size=2**31 - 1)
    actors.funnel.start_time.CopyFrom(whole.info.start_time)
    assert service.stub.ListFunnelActors(actors, timeout=20).info.start_time == whole.info.start_time


def test_a_token_is_good_on_the_workers_of_one_service(service: Service) -> None:
    """They share the secret: a channel that leads to another worker goes on where the last page ended."""
    for _ in range(2):
        service.stub.Track(track(user_id="workers"), timeout=10)
    token = service.stub.ListEvents(ListEventsRequest(user_id="workers", page_size=1), timeout=20).next_page_token
    for _ in range(6):
        service.close_channel()
        page = service.stub.ListEvents(ListEventsRequest(user_id="workers", page_token=token), timeout=20)
        assert len(page.events) == 1
