"""A protoc plugin that gives buf the gRPC Python generator, which grpcio-tools only ships inside its own protoc.

It also marks each package as typed, so that type checkers read the generated `.pyi` files.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from google.protobuf.compiler import plugin_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet


def generate(request: plugin_pb2.CodeGeneratorRequest) -> plugin_pb2.CodeGeneratorResponse:
    """Run `grpc_tools.protoc --grpc_python_out` over the files that define services and return what it wrote."""
    response = plugin_pb2.CodeGeneratorResponse(
        supported_features=plugin_pb2.CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL
    )
    services = [file.name for file in request.proto_file if file.service and file.name in request.file_to_generate]
    with tempfile.TemporaryDirectory() as scratch:
        descriptors, out = Path(scratch, "descriptors.binpb"), Path(scratch, "out")
        out.mkdir()
        descriptors.write_bytes(FileDescriptorSet(file=request.proto_file).SerializeToString())
        subprocess.run(
            [
                sys.executable,
                "-m",
                "grpc_tools.protoc",
                f"--descriptor_set_in={descriptors}",
                f"--grpc_python_out={out}",
                *services,
            ],
            check=True,
        )
        for path in sorted(out.rglob("*.py")):
            response.file.add(name=path.relative_to(out).as_posix(), content=path.read_text())
    for folder in sorted({str(Path(name).parent) for name in request.file_to_generate}):
        if not folder.startswith("google/"):
            response.file.add(name=f"{folder}/py.typed")
    return response


if __name__ == "__main__":
    asked = plugin_pb2.CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
    sys.stdout.buffer.write(generate(asked).SerializeToString())
