"""What all of the contract has in common: numbers of payloads, reports, pages and enums."""

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import EnumDescriptor, FileDescriptor, MethodDescriptor, ServiceDescriptor

from server.processes.worker import ADMIN, ANALYTICS, SCHEMAS
from sociallive.analytics.v1 import errors_pb2, options_pb2
from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.report_pb2 import ReportRequest, ReportResponse
from sociallive.analytics.v1.report_scope_pb2 import ReportInfo

SERVICES: tuple[ServiceDescriptor, ...] = (ANALYTICS, SCHEMAS, ADMIN)
FIRST_PAYLOAD = 100
WITHOUT_PAGES = {"ListSchemas"}
"""Lists that are as long as the .proto files make them."""


def methods() -> Iterator[MethodDescriptor]:
    """Yield every method of every service."""
    for service in SERVICES:
        yield from service.methods


def files() -> dict[str, FileDescriptor]:
    """Collect every file of the package, by name."""
    found: dict[str, FileDescriptor] = {}

    def add(file: FileDescriptor) -> None:
        if file.package == Event.DESCRIPTOR.file.package:
            found[file.name] = file
            for needed in file.dependencies:
                add(needed)

    for file in (*(service.file for service in SERVICES), errors_pb2.DESCRIPTOR, options_pb2.DESCRIPTOR):
        add(file)
    return found


def members(message: Any, oneof: str) -> dict[str, str]:
    """Name the message of each member of a oneof."""
    found = {}
    for field in message.oneofs_by_name[oneof].fields:
        assert field.message_type is not None
        found[field.name] = str(field.message_type.full_name)
    return found


def test_payloads_have_a_block_of_numbers_of_their_own() -> None:
    """From 100 on, and all other fields below it."""
    payloads = {field.number for field in Event.DESCRIPTOR.oneofs_by_name["payload"].fields}
    others = {field.number for field in Event.DESCRIPTOR.fields} - payloads
    assert min(payloads) == FIRST_PAYLOAD
    assert max(others) < FIRST_PAYLOAD


def test_report_covers_every_report() -> None:
    """Each method that answers a ReportInfo has a member in both oneofs, under one name and with its types."""
    reports = {
        str(method.input_type.full_name): str(method.output_type.full_name)
        for method in ANALYTICS.methods
        if (info := method.output_type.fields_by_name.get("info")) is not None
        and info.message_type is ReportInfo.DESCRIPTOR
    }
    queries, results = members(ReportRequest.DESCRIPTOR, "query"), members(ReportResponse.DESCRIPTOR, "result")
    assert queries.keys() == results.keys()
    assert {queries[name]: results[name] for name in queries} == reports
    assert {method.name for method in ANALYTICS.methods if method.name.startswith(("Get", "List"))} == {
        name.rpartition(".")[2].removesuffix("Request") for name in reports
    }


def test_every_list_has_pages() -> None:
    """With the fields that AIP-158 names."""
    lists = [method for method in methods() if method.name.startswith("List") and method.name not in WITHOUT_PAGES]
    assert lists
    for method in lists:
        assert {"page_size", "page_token"} <= set(method.input_type.fields_by_name), method.name
        assert "next_page_token" in method.output_type.fields_by_name, method.name


def test_every_enum_begins_with_unspecified() -> None:
    """With its own name in front: what is not set is told from every choice."""
    enums: list[EnumDescriptor] = [enum for file in files().values() for enum in file.enum_types_by_name.values()]
    assert len(enums) > 10
    for enum in enums:
        first = enum.values_by_number[0].name
        prefix = "".join(f"_{char}" if char.isupper() else char.upper() for char in enum.name).lstrip("_")
        assert first == f"{prefix}_UNSPECIFIED"


def test_each_status_has_the_form_of_the_contract() -> None:
    """Names of reasons are short enough for clients to match on, as AIP-193 asks."""
    for value in errors_pb2.ErrorReason.DESCRIPTOR.values:
        assert len(value.name.removeprefix("ERROR_REASON_")) <= 63
