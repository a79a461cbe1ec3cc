"""No log of any process holds what callers send, however events and statements fail."""

import asyncio
import json
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from sociallive.analytics.v1.event_list_pb2 import ListEventsRequest
from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.schema_service_pb2 import GetSchemaRequest
from sociallive.analytics.v1.schema_service_pb2_grpc import SchemaServiceStub
from sociallive.analytics.v1.track_pb2 import TrackBatchRequest, TrackRequest
from storage.embedded.places import PidFile, socket_url
from tests.acceptance.running import Service, eventually, free_port
from tests.acceptance.samples import view
from tests.acceptance.test_outage import frozen_postgres
from tests.gateway.http import call
from tests.gateway.running import need_envoy

CANARY = f"canary-{uuid.uuid4().hex}"
ADDRESS = "203.0.113.77"
"""Of a network that is reserved for documentation."""
QUOTES_VALUES = """
    CREATE FUNCTION refuse_marked() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.event_id LIKE 'canary%' THEN
            RAISE EXCEPTION 'bad value %', NEW.event_id USING ERRCODE = 'data_exception', DETAIL = NEW.event_id;
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER refuse_marked BEFORE INSERT ON analytics_rejected_events
        FOR EACH ROW EXECUTE FUNCTION refuse_marked();
    ALTER TABLE analytics_rejected_events
        ADD CONSTRAINT unmarked CHECK (violations::text NOT LIKE '%canary%') NOT VALID
"""
"""A data error whose text quotes the row, and a constraint whose detail does."""
BREAKS_STATEMENTS = "ALTER TABLE analytics_blocks RENAME COLUMN format TO gone"


def marked_everywhere() -> Iterator[Event]:
    """Make an event of each type in which every text is the canary, also where another form is due."""
    for payload in Event.DESCRIPTOR.oneofs_by_name["payload"].fields:
        event = Event(ip_address=ADDRESS)
        _mark(event, skip="payload")
        _mark(getattr(event, payload.name))
        yield event
    for name in Event.DESCRIPTOR.oneofs_by_name["payload"].fields:
        event = Event(event_type=name.name, user_id=CANARY)
        event.data.update({CANARY: CANARY, "contentId": CANARY, "amount": CANARY})
        yield event


def _mark(message: Message, *, skip: str = "") -> None:
    for field in message.DESCRIPTOR.fields:
        if field.containing_oneof is not None and field.containing_oneof.name == skip:
            continue
        if field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated:
            setattr(message, field.name, getattr(message, field.name) or CANARY)
        elif field.type == FieldDescriptor.TYPE_STRING:
            getattr(message, field.name).append(CANARY)
        elif field.name == "device":
            _mark(getattr(message, field.name))


def valid_events() -> list[Event]:
    """Make events that nothing is wrong with."""
    return [
        view(session_id=CANARY, user_id="user", ip_address=ADDRESS, user_agent=CANARY),
        view(user_id=CANARY, ip_address=ADDRESS, user_agent=CANARY),
    ]


def execute(service: Service, statements: str) -> None:
    """Run statements in the service's database."""

    async def run() -> None:
        running = PidFile.read(service.data_dir / "postgres")
        assert running is not None
        connection = await asyncpg.connect(socket_url(running.socket_folder))
        try:
            await connection.execute(statements)
        finally:
            await connection.close()

    asyncio.run(run())


def send(service: Service, port: int) -> None:
    """Send everything by every door; what is answered does not matter here."""
    events = [*valid_events(), *marked_everywhere()]
    schemas = SchemaServiceStub(service.channel)  # type: ignore[no-untyped-call]
    for event in events:
        with suppress(grpc.RpcError):
            service.stub.Track(TrackRequest(event=event), timeout=20)
    with suppress(grpc.RpcError):
        service.stub.TrackBatch(iter([TrackBatchRequest(events=events)]), timeout=20)
    with suppress(grpc.RpcError):
        service.stub.ListEvents(ListEventsRequest(filter=f"view:contentId={CANARY}", page_token=CANARY), timeout=20)
    with suppress(grpc.RpcError):
        service.stub.ListEvents(ListEventsRequest(filter=f"view:contentId={CANARY}"), timeout=20)
    with suppress(grpc.RpcError):
        schemas.GetSchema(GetSchemaRequest(event_type=CANARY, version=CANARY), timeout=20)
    body = {"eventType": "view", "userId": CANARY, "ipAddress": ADDRESS, "data": {"contentId": CANARY}}
    caller = {"x-forwarded-for": ADDRESS, "user-agent": CANARY}
    for sent in (
        body,
        body | {"data": {"contentType": "post", "contentId": CANARY}, "sessionId": CANARY},
        body | {"timestamp": CANARY, "sequence": CANARY},
        json.dumps(body)[:-1].encode() + b",}",
        json.dumps(body).encode()[:40],
        json.dumps(body).encode().replace(b"canary", b"canary\xff"),
        f'{{"eventType": "{CANARY}", "userId": 5, "{CANARY}": {{"{CANARY}": 1'.encode(),
    ):
        call(port, "POST", "/analytics/events/track", sent, headers=caller, timeout_s=40)
        call(port, "POST", "/analytics/events/batch", {"events": [body]}, headers=caller, timeout_s=40)
    call(port, "GET", f"/analytics/events?userId={CANARY}&{CANARY}=1", headers=caller)
    call(port, "GET", f"/analytics/schemas/{CANARY}/1.0.0", headers=caller)


@pytest.mark.slow
@pytest.mark.finding(30)
def test_no_log_holds_what_callers_send(made_data_dir: Path) -> None:
    """Constraints, data errors, broken statements, an outage and malformed JSON, at the most talkative level."""
    need_envoy()
    port = free_port()
    with Service(
        made_data_dir,
        PORT=str(port),
        ANALYTICS_GATEWAY="auto",
        ANALYTICS_WORKERS="1",
        ANALYTICS_TRUSTED_HOPS="1",
        ANALYTICS_LOG_LEVEL="debug",
    ) as service:
        execute(service, QUOTES_VALUES)
        send(service, port)
        with frozen_postgres(service):
            eventually("storage is told gone", lambda: service.health("storage") == "NOT_SERVING")
            for event in valid_events():
                service.stub.Track(TrackRequest(event=event), timeout=20)
        eventually("the spool is seen to", lambda: "spool_drained" in service.output())
        execute(service, BREAKS_STATEMENTS)
        send(service, port)
        assert service.stop() == 0
    logs = [service.log, *made_data_dir.glob("postgres.log*")]
    text = "".join(path.read_text(errors="replace") for path in logs)
    for sign in ("write_failed", "spooling_started", "rpc_failed", "CheckViolationError", "DataError", "42703"):
        assert sign in text, f"{sign} was not provoked"
    for secret in (CANARY, ADDRESS):
        lines = [line[:600] for line in text.splitlines() if secret in line]
        assert not lines, lines[:3]
