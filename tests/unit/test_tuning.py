"""Postgres' configuration for small, large and limited machines."""

from pathlib import Path

import pytest

from storage.embedded import tuning
from storage.embedded.tuning import MB, Machine, configuration, render

GB = 1024 * MB


@pytest.mark.parametrize(
    ("memory", "cores", "expected"),
    [
        (512 * MB, 1, {"shared_buffers": "64MB", "work_mem": "4MB", "max_parallel_workers_per_gather": "0"}),
        (4 * GB, 2, {"shared_buffers": "512MB", "work_mem": "32MB", "max_connections": "100"}),
        (512 * GB, 64, {"shared_buffers": "1024MB", "work_mem": "64MB", "max_connections": "500"}),
    ],
)
def test_settings_follow_the_machine_within_bounds(memory: int, cores: int, expected: dict[str, str]) -> None:
    """Small machines get a part of their memory, large ones no more than is of use."""
    settings = configuration(Machine(memory, cores, GB))
    assert {name: settings[name] for name in expected} == expected


def test_durability_does_not_depend_on_the_machine() -> None:
    """What an acknowledgement promises is on everywhere."""
    settings = configuration(Machine(MB, 1, 0))
    assert [settings[name] for name in ("fsync", "full_page_writes", "synchronous_commit")] == ["on", "on", "on"]


@pytest.mark.parametrize(("shm_bytes", "kind"), [(0, "mmap"), (64 * MB, "mmap"), (GB, "posix")])
def test_small_shared_memory_is_not_used(shm_bytes: int, kind: str) -> None:
    """A container's 64 MB of /dev/shm would fail a parallel query."""
    assert configuration(Machine(GB, 2, shm_bytes))["dynamic_shared_memory_type"] == kind


def test_a_container_has_its_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tightest limit among this process's cgroup and those above it counts."""
    inner = tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    (inner / "memory.max").write_text("max\n")
    (inner / "cpu.max").write_text("max 100000\n")
    (tmp_path / "outer" / "memory.max").write_text(f"{300 * MB}\n")
    (tmp_path / "outer" / "cpu.max").write_text("50000 100000\n")
    monkeypatch.setattr(tuning, "_cgroups", lambda: [inner, inner.parent, tmp_path])
    machine = Machine.detect()
    assert machine.memory_bytes == 300 * MB
    assert machine.cores == 1


def test_a_machine_without_limits_is_taken_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without cgroups the machine's own memory and cores count."""
    monkeypatch.setattr(tuning, "_cgroups", list)
    machine = Machine.detect()
    assert machine.memory_bytes >= 64 * MB
    assert machine.cores >= 1


def test_the_file_says_how_to_change_it() -> None:
    """An operator who opens the file learns that edits are lost, and what lasts."""
    text = render({"fsync": "on"})
    assert "ALTER SYSTEM" in text
    assert text.endswith("\nfsync = on\n")
