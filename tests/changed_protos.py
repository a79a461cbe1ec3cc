"""Changed copies of the .proto files: what a developer edits, compiled without touching the project's own."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from events.catalogue import load_catalogue
from events.event_type import Catalogue

ROOT = Path(__file__).parents[1]
PACKAGE = Path("sociallive/analytics/v1")
NO_EDITS: Mapping[str, tuple[str, str]] = MappingProxyType({})
GOOGLE_APIS = ROOT / ".deps" / "googleapis"


def copy_protos(folder: Path, files: Mapping[str, str], edits: Mapping[str, tuple[str, str]]) -> Path:
    """Copy the .proto files into `folder` and change them there.

    Args:
        folder: takes them.
        files: new files by name, whole.
        edits: by the name of a file, what is replaced by what; it must be there once.

    Returns:
        The include path that protoc takes.
    """
    target = folder / "proto" / PACKAGE
    target.mkdir(parents=True)
    for source in (ROOT / "proto" / PACKAGE).glob("*.proto"):
        (target / source.name).write_text(source.read_text())
    for name, text in files.items():
        (target / name).write_text(text)
    for name, (old, new) in edits.items():
        text = (target / name).read_text()
        assert text.count(old) == 1, f"{name} has {text.count(old)} times {old!r}"
        (target / name).write_text(text.replace(old, new))
    return folder / "proto"


def add_event_type(
    folder: Path, name: str, message: str, text: str, edits: Mapping[str, tuple[str, str]] = NO_EDITS
) -> Path:
    """Copy the .proto files with one more event type: a file of its own and, beside its import, one line of the oneof.

    Args:
        folder: takes them.
        name: the type's name.
        message: the name of its message.
        text: the message, with its options.
        edits: of the other files, as for `copy_protos`.
    """
    header = f'syntax = "proto3";\npackage {".".join(PACKAGE.parts)};\nimport "{PACKAGE}/options.proto";\n'
    line = "    PurchaseEvent purchase = 102;\n"
    protos = copy_protos(
        folder,
        {f"{name}_event.proto": header + text},
        {"event.proto": (line, f"{line}    // {message}.\n    {message} {name} = 150;\n"), **edits},
    )
    event = protos / PACKAGE / "event.proto"
    first = f'import "{PACKAGE}/engagement_event.proto";'
    event.write_text(event.read_text().replace(first, f'{first}\nimport "{PACKAGE}/{name}_event.proto";'))
    return protos


def read_pool(protos: Path) -> DescriptorPool:
    """Compile the .proto files into a pool of their own."""
    image = protos.parent / "image.binpb"
    _protoc(protos, "--include_imports", "--include_source_info", f"--descriptor_set_out={image}")
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(image.read_bytes()).file:
        pool.Add(file)
    return pool


def read_catalogue(protos: Path) -> Catalogue:
    """Compile the .proto files and read their catalogue, as the service does at its start.

    Raises:
        CatalogueError: they contradict themselves.
    """
    return load_catalogue(read_pool(protos).FindMessageTypeByName("sociallive.analytics.v1.Event"))


def generate_code(protos: Path) -> Path:
    """Write the Python code of the .proto files beside them; return the folder that belongs on the path."""
    code = protos.parent / "generated"
    code.mkdir()
    _protoc(protos, f"--python_out={code}", f"--grpc_python_out={code}")
    return code


def _protoc(protos: Path, *options: str) -> None:
    includes = [f"-I{protos}", f"-I{GOOGLE_APIS}"]
    files = sorted(str(path.relative_to(protos)) for path in (protos / PACKAGE).glob("*.proto"))
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *includes, *options, *files], check=True)
