"""Every RPC and every REST path with every scope, from the descriptors: its own is admitted, each other is refused."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.api import annotations_pb2
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from gateway.rest import ADMINISTRATIVE
from gateway.rest import SERVICES as REST_SERVICES
from server.access.scopes import SCOPES, UndeclaredScopeError, read_access
from server.processes.worker import ADMIN, ANALYTICS, KEYS, SCHEMAS
from tests.acceptance.samples import reason
from tests.access.guarded import GuardedService, Made, bearer, header
from tests.gateway.http import call

SERVICES = (ANALYTICS, SCHEMAS, ADMIN, KEYS)
METHODS: Sequence[MethodDescriptor] = [method for service in SERVICES for method in service.methods]
OF_PATH = {"event_type": "view", "version": "1.0.0"}
REFUSED = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}
DESCRIPTORS = Path(__file__).parents[2] / "generated" / "descriptors.binpb"


def rest_calls() -> Iterator[tuple[str, str, str]]:
    """List the method, the path and the scope of every REST binding."""
    for service in REST_SERVICES:
        for method in service.methods:
            first = method.GetOptions().Extensions[annotations_pb2.http]
            for rule in (first, *first.additional_bindings):
                verb = rule.WhichOneof("pattern")
                if verb is not None:
                    path = re.sub(r"\{(\w+)\}", lambda found: OF_PATH[found[1]], getattr(rule, verb))
                    yield verb.upper(), path, read_access(method).scope


@cache
def key_with(guarded: GuardedService, scope: str) -> Made:
    """Make one key for each scope."""
    return guarded.make_key(scope)


def try_call(guarded: GuardedService, method: MethodDescriptor, *metadata: tuple[str, str]) -> grpc.RpcError | None:
    """Call a method with an empty request, and return its error."""
    streams = method.client_streaming
    channel = guarded.admin_channel if method.containing_service in ADMINISTRATIVE else guarded.channel
    make: Any = channel.stream_unary if streams else channel.unary_unary
    stub = make(
        f"/{method.containing_service.full_name}/{method.name}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )
    request = GetMessageClass(method.input_type)()
    try:
        stub(iter([request]) if streams else request, metadata=metadata, timeout=10)
    except grpc.RpcError as exc:
        return exc
    return None


def test_no_service_is_forgotten_here() -> None:
    """Those of the .proto files are the ones of the matrix."""
    files = FileDescriptorSet.FromString(DESCRIPTORS.read_bytes())
    named = {f"{file.package}.{service.name}" for file in files.file for service in file.service}
    assert named == {service.full_name for service in SERVICES}


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_every_rpc_takes_its_own_scope_and_no_other(guarded: GuardedService, method: MethodDescriptor) -> None:
    """What an admitted call answers to an empty request is another test's story."""
    needed = read_access(method).scope
    for scope in SCOPES:
        error = try_call(guarded, method, *bearer(key_with(guarded, scope).text))
        if scope == needed:
            assert error is None or error.code() not in REFUSED, scope
        else:
            assert error is not None, scope
            assert (error.code(), reason(error)) == (grpc.StatusCode.PERMISSION_DENIED, "MISSING_SCOPE"), scope


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_every_rpc_refuses_a_caller_without_a_key(guarded: GuardedService, method: MethodDescriptor) -> None:
    """Also one that says who it is in headers that only the gateway sends."""
    forged = (("analytics-json", "1"), ("analytics-client-address", "127.0.0.1"), ("x-forwarded-for", "127.0.0.1"))
    for metadata in ((), forged):
        error = try_call(guarded, method, *metadata)
        assert error is not None
        assert (error.code(), reason(error)) == (grpc.StatusCode.UNAUTHENTICATED, "NO_CREDENTIAL")


@pytest.mark.parametrize(("verb", "path", "needed"), list(rest_calls()), ids=str)
def test_every_rest_path_takes_its_own_scope_and_no_other(
    guarded: GuardedService, verb: str, path: str, needed: str
) -> None:
    """With and without the prefix of a portal; 401 without a key."""
    body: dict[str, str] | None = {} if verb == "POST" else None
    for prefix in ("", "/api"):
        refused = call(guarded.rest_port, verb, prefix + path, body)
        assert (refused.status, refused.json["reason"]) == (401, "NO_CREDENTIAL")
        assert refused.headers["www-authenticate"] == "Bearer"
    for scope in SCOPES:
        answer = call(guarded.rest_port, verb, path, body, headers=header(key_with(guarded, scope).text))
        if scope == needed:
            assert answer.status not in {401, 403}, scope
        else:
            assert (answer.status, answer.json["reason"]) == (403, "MISSING_SCOPE"), scope


def test_a_method_without_a_scope_stops_the_server() -> None:
    """A new RPC cannot be forgotten."""
    file = FileDescriptorProto(name="new.proto", package="new", syntax="proto3")
    file.message_type.add(name="Nothing")
    file.service.add(name="New").method.add(name="Do", input_type=".new.Nothing", output_type=".new.Nothing")
    pool = DescriptorPool()
    pool.Add(file)
    with pytest.raises(UndeclaredScopeError, match=r"new\.New\.Do"):
        read_access(pool.FindServiceByName("new.New").methods[0])
