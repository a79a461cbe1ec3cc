"""tools/install_programs, with package managers that only note what they are asked for."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "install_programs"
BY_GO = ("grpc-health-probe", "grpcurl")
BY_APT = {"chromium": "chromium", "curl": "curl", "h2load": "nghttp2-client", "promtool": "prometheus"}
"""Each program, and its package in Debian."""


class Machine:
    """A copy of the script in a tree of its own, on a PATH that holds only what a test puts there."""

    def __init__(self, folder: Path, *, user: int) -> None:
        self.folder = folder
        self.programs = folder / "programs"
        self.calls = folder / "calls"
        self.calls.touch()
        self.programs.mkdir()
        (folder / "tools").mkdir()
        shutil.copy(SCRIPT, folder / "tools")
        (self.programs / "dirname").symlink_to(shutil.which("dirname") or "")
        self.add("id", f"echo {user}")

    def add(self, name: str, does: str = ":", *, folder: Path | None = None) -> None:
        """Put a program there."""
        path = (folder or self.programs) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{does}\n")
        path.chmod(0o755)

    def add_noting(self, name: str, then: str = ":") -> None:
        """Put a program there that notes how it is called."""
        self.add(name, f'echo "{name} $*" >> "{self.calls}"; {then}')

    def run(self) -> str:
        """Run the script and return what it prints; it must succeed."""
        script = ["/bin/sh", str(self.folder / "tools" / "install_programs")]
        environment = {"PATH": str(self.programs)}
        return subprocess.run(script, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout

    def called(self) -> list[str]:
        """Tell the calls of the programs that note them."""
        return self.calls.read_text().splitlines()


def test_root_on_debian_gets_every_program(tmp_path: Path) -> None:
    """The list of packages is fetched once; Go programs go into .tools, in the versions that the script names."""
    machine = Machine(tmp_path, user=0)
    machine.add_noting("apt-get")
    machine.add_noting("go")
    told = machine.run()
    calls = machine.called()
    assert calls.count("apt-get update --quiet=2") == 1
    installs = [f"apt-get install --yes --quiet=2 --no-install-recommends {package}" for package in BY_APT.values()]
    assert [call for call in calls if " install --yes" in call] == installs
    by_go = [call for call in calls if call.startswith("go install ")]
    assert [call.rpartition("/")[2].partition("@")[0] for call in by_go] == list(BY_GO)
    assert all("@v" in call for call in by_go)
    assert told.count("==> installing ") == len(BY_GO) + len(BY_APT)


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    """So that `make test` costs nothing the second time."""
    machine = Machine(tmp_path, user=0)
    machine.add_noting("apt-get")
    for name in BY_APT:
        machine.add(name)
    for name in BY_GO:
        machine.add(name, folder=tmp_path / ".tools" / "bin")
    assert machine.run() == ""
    assert machine.called() == []


@pytest.mark.parametrize(("user", "has_apt"), [(1000, True), (0, False)], ids=["not root", "not Debian"])
def test_who_cannot_install_packages_is_told_how(tmp_path: Path, user: int, *, has_apt: bool) -> None:
    """And the script goes on: the tests of those programs are skipped and say so."""
    machine = Machine(tmp_path, user=user)
    machine.add_noting("go")
    if has_apt:
        machine.add_noting("apt-get")
    told = machine.run()
    assert [call for call in machine.called() if call.startswith("apt-get")] == []
    assert [line.rpartition(" ")[2] for line in told.splitlines() if "is not here" in line] == list(BY_APT.values())


def test_a_package_that_cannot_be_had_stops_nothing(tmp_path: Path) -> None:
    """Without a network, say."""
    machine = Machine(tmp_path, user=0)
    machine.add_noting("apt-get", then="exit 100")
    machine.add_noting("go")
    told = machine.run()
    assert [line.split()[4] for line in told.splitlines() if "cannot install" in line] == [
        f"{package}," for package in BY_APT.values()
    ]
