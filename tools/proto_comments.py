"""Reads the comments of the .proto files out of what `buf build` writes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)

Comments = Mapping[str, str]
"""Comments by the full name of what they describe, each as one line; paragraphs are parted by an empty line."""

MESSAGES, ENUMS, SERVICES, MEMBERS = 4, 5, 6, 2
"""Numbers of the fields of descriptor.proto of which the paths of comments consist."""


def read_comments(descriptors: bytes) -> Comments:
    """Read the comments of messages, enums and services, of their fields, values and methods.

    Args:
        descriptors: a serialized FileDescriptorSet with source info.
    """
    comments: dict[str, str] = {}
    for file in FileDescriptorSet.FromString(descriptors).file:
        texts = {tuple(location.path): _join(location.leading_comments) for location in file.source_code_info.location}
        for path, name in _names(file):
            if path in texts:
                comments[f"{file.package}.{name}"] = texts[path]
    return comments


def _names(file: Any) -> Iterator[tuple[tuple[int, ...], str]]:
    """Yield the path and the name of all that is described; of enums, values are named below them."""
    kinds: Sequence[tuple[int, Sequence[Any]]] = (
        (MESSAGES, file.message_type),
        (ENUMS, file.enum_type),
        (SERVICES, file.service),
    )
    for kind, owners in kinds:
        for index, owner in enumerate(owners):
            yield (kind, index), owner.name
            for number, member in enumerate(_members(owner)):
                yield (kind, index, MEMBERS, number), f"{owner.name}.{member.name}"


def _members(owner: DescriptorProto | EnumDescriptorProto | ServiceDescriptorProto) -> Sequence[Any]:
    if isinstance(owner, DescriptorProto):
        return owner.field
    return owner.value if isinstance(owner, EnumDescriptorProto) else owner.method


def _join(comment: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in comment.split("\n\n")).strip()
