"""`analytics version`: the versions that a bug report needs."""

import platform
from importlib.metadata import version

import click
import orjson

from runtime.terminal import examples

PACKAGES = {"analytics": "sociallive-analytics", "grpc": "grpcio", "protobuf": "protobuf"}
"""What is printed beside the version of Python, and the package of each."""


@click.command("version", epilog=examples("analytics version --json"))
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
def command(*, as_json: bool) -> None:
    """Print the versions of this program and its libraries."""
    versions = {name: version(package) for name, package in PACKAGES.items()}
    versions["python"] = platform.python_version()
    if as_json:
        click.echo(orjson.dumps(versions))
        return
    width = max(map(len, versions))
    for name, text in versions.items():
        click.echo(f"{name:<{width}}  {text}")
