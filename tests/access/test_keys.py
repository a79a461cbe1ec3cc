"""Keys against a real service and its gateway: how they travel, and how they end."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from server.access.key_text import make_key
from sociallive.analytics.v1.key_service_pb2 import (
    Key,
    KeyKind,
    ListKeysRequest,
    RotateKeyRequest,
    UserIdRule,
)
from sociallive.analytics.v1.report_pb2 import ReportRequest
from sociallive.analytics.v1.track_pb2 import TrackBatchRequest, TrackEventsRequest, TrackRequest
from tests.acceptance.running import eventually, fails_with
from tests.acceptance.samples import reason, view
from tests.access.guarded import GuardedService, bearer, code_of, header
from tests.gateway.http import call

TRACK = "/analytics/events/track"
BATCH = "/analytics/events/batch"
ORIGIN = "https://shop.example"
EVENT = {"eventType": "view", "data": {"contentType": "post", "contentId": "post-1"}}
ENDS_WITHIN_S = 5.0
"""What docs/security.md promises of a revoked key."""


def report(guarded: GuardedService, *metadata: tuple[str, str]) -> grpc.StatusCode:
    """Ask for a dashboard, and return the code."""
    query = ReportRequest()
    query.dashboard.SetInParent()
    return code_of(lambda: guarded.stub.Report(query, metadata=metadata, timeout=10))


def test_a_key_that_was_just_made_works_at_once(guarded: GuardedService) -> None:
    """Workers read the keys every few seconds, and at once for one that they do not know."""
    assert report(guarded, *bearer(guarded.make_key("read.reports").text)) is grpc.StatusCode.OK


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic YWxpY2U6c2VjcmV0",
        "Bearer sla_srv_short",
        "Bearer sla_adm_00000000_" + 49 * "0",
        "Bearer sla_srv_00000000_" + 49 * "0",
        "Bearer " + make_key("srv").text,
        "Bearer " + make_key("srv").text + " " + make_key("srv").text,
        "Bearer " + 8 * 1024 * "x",
    ],
    ids=["empty", "bare", "blank", "basic", "short", "no kind", "checksum", "unknown", "two keys", "8 KB"],
)
def test_a_bad_header_is_refused_by_both_doors(guarded: GuardedService, authorization: str) -> None:
    """Malformed, of another scheme, with a wrong checksum, unknown, or of 8 KB: UNAUTHENTICATED, and 401."""
    assert report(guarded, ("authorization", authorization)) is grpc.StatusCode.UNAUTHENTICATED
    answer = call(guarded.rest_port, "GET", "/analytics/schemas", headers={"authorization": authorization})
    assert answer.status == 401
    credential = authorization.removeprefix("Bearer").strip()
    assert not credential or credential not in answer.body.decode()


def test_two_authorization_headers_are_refused(guarded: GuardedService) -> None:
    """Even if both are good: one of them may be somebody else's."""
    good = guarded.make_key("read.reports").text
    assert report(guarded, *bearer(good)) is grpc.StatusCode.OK
    assert report(guarded, *bearer(good), *bearer(good)) is grpc.StatusCode.UNAUTHENTICATED


def test_only_public_keys_travel_in_a_query_and_only_where_events_are_taken(guarded: GuardedService) -> None:
    """A beacon can set no header; other keys and other paths do not get it."""
    public = guarded.make_key("ingest", kind=KeyKind.KEY_KIND_PUBLIC).text
    service = guarded.make_key("ingest", "schemas").text
    assert call(guarded.rest_port, "POST", f"{TRACK}?key={public}", EVENT).status == 200
    assert call(guarded.rest_port, "POST", f"/api{BATCH}?key={public}", {"events": [EVENT]}).status == 200
    for path in (
        f"{TRACK}?key={service}",
        f"{TRACK}?key={public}&key={public}",
        f"{TRACK}?key=",
        f"/analytics/events/validate?key={public}",
    ):
        answer = call(guarded.rest_port, "POST", path, EVENT)
        assert answer.status == 401, path
        assert public not in answer.body.decode()
    twice = call(guarded.rest_port, "POST", f"{TRACK}?key={public}", EVENT, headers=header(service))
    assert twice.status == 401


def test_a_public_key_sends_what_its_rules_allow_and_nothing_else(guarded: GuardedService) -> None:
    """Foreign origins, types and users, and a backfill, are refused, and nothing of them is stored."""
    key = guarded.make_key("ingest", kind=KeyKind.KEY_KIND_PUBLIC, origins=[ORIGIN], event_types=["view"]).text
    path, batch, page = f"{TRACK}?key={key}", f"{BATCH}?key={key}", {"origin": ORIGIN}
    foreign = {"eventType": "engagement", "data": {"action": "like", "targetType": "post", "targetId": "post-1"}}
    assert call(guarded.rest_port, "POST", path, EVENT, headers=page).status == 200
    for address, body, headers in (
        (path, EVENT, {}),
        (path, EVENT, {"origin": "https://evil.example"}),
        (path, EVENT, {"origin": "null"}),
        (path, foreign, page),
        (path, {**EVENT, "userId": "alice"}, page),
        (batch, {"events": [EVENT, foreign]}, page),
    ):
        answer = call(guarded.rest_port, "POST", address, body, headers=headers)
        assert (answer.status, answer.json["reason"]) == (403, "NOT_ALLOWED_BY_KEY"), body
    backfill = call(guarded.rest_port, "POST", batch, {"events": [EVENT], "backfill": True}, headers=page)
    assert (backfill.status, backfill.json["reason"]) == (403, "MISSING_SCOPE")


def test_a_user_id_is_the_subject_of_the_token_beside_the_key(guarded: GuardedService) -> None:
    """Of a signed one; without a token there is no user."""
    key = guarded.make_key("ingest", kind=KeyKind.KEY_KIND_PUBLIC, user_ids=UserIdRule.USER_ID_RULE_TOKEN_SUBJECT).text
    path, alice = f"{TRACK}?key={key}", header(guarded.issuer.token(sub="alice", scope=""))
    assert call(guarded.rest_port, "POST", path, EVENT | {"userId": "alice"}, headers=alice).status == 200
    assert call(guarded.rest_port, "POST", path, EVENT).status == 200
    assert call(guarded.rest_port, "POST", path, EVENT | {"userId": "bob"}, headers=alice).status == 403
    assert call(guarded.rest_port, "POST", path, EVENT | {"userId": "alice"}).status == 403


def test_a_backfill_needs_its_own_scope_in_every_form(guarded: GuardedService) -> None:
    """Over gRPC, in a stream, and in JSON."""
    plain = bearer(guarded.make_key("ingest").text)
    both = bearer(guarded.make_key("ingest", "ingest.backfill").text)
    for metadata, code in ((plain, grpc.StatusCode.PERMISSION_DENIED), (both, grpc.StatusCode.OK)):
        request = TrackEventsRequest(backfill=True)
        assert code_of(lambda m=metadata, r=request: guarded.stub.TrackEvents(r, metadata=m, timeout=10)) is code
        stream = [TrackBatchRequest(backfill=True)]
        assert code_of(lambda m=metadata, s=stream: guarded.stub.TrackBatch(iter(s), metadata=m, timeout=10)) is code


def test_a_report_of_single_events_needs_their_scope_too(guarded: GuardedService) -> None:
    """`Report` answers any report, and is no way around."""
    query = ReportRequest()
    query.events.SetInParent()
    for scopes, code in (
        (["read.reports"], grpc.StatusCode.PERMISSION_DENIED),
        (["read.reports", "read.events"], grpc.StatusCode.OK),
    ):
        metadata = bearer(guarded.make_key(*scopes).text)
        assert code_of(lambda m=metadata: guarded.stub.Report(query, metadata=m, timeout=10)) is code


def test_a_revoked_key_ends_its_streams_within_five_seconds(guarded: GuardedService) -> None:
    """In mid-stream, while the stream sends nothing; and each call after."""
    key = guarded.make_key("ingest")
    may_end = threading.Event()

    def messages() -> Iterator[TrackBatchRequest]:
        yield TrackBatchRequest(events=[view()])
        may_end.wait(60)

    stream = guarded.stub.TrackBatch.future(messages(), metadata=bearer(key.text), timeout=60)
    eventually("the stream has begun", lambda: _uses(guarded, key.id), timeout_s=90)
    revoked_at = time.monotonic()
    guarded.revoke(key)
    error = stream.exception(timeout=60)
    took_s = time.monotonic() - revoked_at
    may_end.set()
    assert (error.code(), reason(error)) == (grpc.StatusCode.UNAUTHENTICATED, "BAD_CREDENTIAL")
    assert took_s < 2 * ENDS_WITHIN_S, "twice the promise, for a machine under load"
    with fails_with(grpc.StatusCode.UNAUTHENTICATED):
        guarded.stub.Track(TrackRequest(event=view()), metadata=bearer(key.text), timeout=10)


def _uses(guarded: GuardedService, key_id: str) -> bool:
    return any(key.key_id == key_id and key.HasField("last_used_at") for key in _list(guarded))


def _list(guarded: GuardedService, **request: Any) -> list[Key]:
    answer = guarded.keys.ListKeys(ListKeysRequest(**request), metadata=bearer(guarded.admin), timeout=10)
    return list(answer.keys)


def test_both_keys_of_a_rotation_work_until_the_old_one_ends(guarded: GuardedService) -> None:
    """With the same rights; without an overlap the old one ends at once."""
    old = guarded.make_key("read.reports")
    request = RotateKeyRequest(key_id=old.id)
    new = guarded.keys.RotateKey(request, metadata=bearer(guarded.admin), timeout=10)
    assert report(guarded, *bearer(old.text)) is grpc.StatusCode.OK
    assert report(guarded, *bearer(new.text)) is grpc.StatusCode.OK
    request = RotateKeyRequest(key_id=new.key.key_id)
    request.overlap.SetInParent()
    newest = guarded.keys.RotateKey(request, metadata=bearer(guarded.admin), timeout=10)
    assert report(guarded, *bearer(newest.text)) is grpc.StatusCode.OK
    eventually("the old key has ended", lambda: report(guarded, *bearer(new.text)) is grpc.StatusCode.UNAUTHENTICATED)


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ({"name": ""}, "rules.name"),
        ({"kind": KeyKind.KEY_KIND_UNSPECIFIED}, "rules.kind"),
        ({"scopes": ["everything"]}, "rules.scopes"),
        ({"kind": KeyKind.KEY_KIND_PUBLIC, "scopes": ["read.events"]}, "rules.scopes"),
        ({"kind": KeyKind.KEY_KIND_PUBLIC, "origins": ["*"]}, "rules.origins"),
        ({"origins": [ORIGIN]}, "rules.origins"),
        ({"event_types": ["no_such"]}, "rules.event_types"),
        ({"daily_events": -1}, "rules.daily_events"),
        ({"expires_at": {"seconds": 1}}, "rules.expires_at"),
    ],
    ids=str,
)
def test_a_key_with_rules_that_make_no_sense_is_not_made(
    guarded: GuardedService, rules: dict[str, Any], field: str
) -> None:
    """The error names the field."""
    with fails_with(grpc.StatusCode.INVALID_ARGUMENT) as caught:
        guarded.make_key(**{"scopes": ["ingest"], **rules})
    assert field in caught[0].details()


def test_quotas_refuse_with_the_time_to_come_back(guarded: GuardedService) -> None:
    """Events of a second, of a day, and over REST 429 with retry-after."""
    for rules in ({"events_per_second": 1}, {"daily_events": 3}):
        key = guarded.make_key("ingest", **rules)
        events = TrackEventsRequest(events=[view() for _ in range(5)])
        guarded.stub.TrackEvents(events, metadata=bearer(key.text), timeout=10)
        with fails_with(grpc.StatusCode.RESOURCE_EXHAUSTED) as caught:
            guarded.stub.TrackEvents(events, metadata=bearer(key.text), timeout=10)
        assert reason(caught[0]) == "QUOTA_EXCEEDED"
        answer = call(guarded.rest_port, "POST", TRACK, EVENT, headers=header(key.text))
        assert (answer.status, answer.json["reason"]) == (429, "QUOTA_EXCEEDED")
        assert int(answer.headers["retry-after"]) >= 1


def test_the_commands_send_the_key_and_say_when_they_need_one(guarded: GuardedService) -> None:
    """By option, by variable and by file; the audit log says who made a key, and nothing has its text."""
    made = run(guarded, "keys", "create", "--name", "from the terminal", "--json", "--key", guarded.admin)
    text = json.loads(made.stdout)["text"]
    assert run(guarded, "keys", "check", ANALYTICS_KEY=text).returncode == 0
    path = guarded.data_dir.parent / "key"
    path.write_text(f"{text}\n")
    assert run(guarded, "keys", "check", ANALYTICS_KEY_FILE=str(path)).returncode == 0
    for refused in (run(guarded, "keys", "check"), run(guarded, "keys", "check", "--key", text[:-1] + "!")):
        assert refused.returncode == 1
    without = run(guarded, "keys", "list")
    assert (without.returncode, "--key" in without.stderr) == (1, True)
    listed = run(guarded, "keys", "list", "--all", "--json", ANALYTICS_KEY=guarded.admin)
    audit = run(guarded, "audit", "--json")
    assert "from the terminal" in listed.stdout
    assert f"key:{guarded.admin[8:16]}" in audit.stdout
    for output in (listed.stdout, audit.stdout, guarded.output()):
        assert text not in output
        assert guarded.admin not in output


def run(guarded: GuardedService, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command against the service."""
    return subprocess.run(
        [sys.executable, "-m", "cli", *words],
        env={**guarded.environment, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
