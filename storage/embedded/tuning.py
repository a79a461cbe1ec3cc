"""Postgres' configuration for the machine it finds itself on."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Self

MB = 1024 * 1024
CGROUP_ROOT = Path("/sys/fs/cgroup")
SMALL_SHM_BYTES = 256 * MB
"""Containers give /dev/shm 64 MB by default, which one parallel query can fill."""

HEADER = """\
# Written at each start of the service; edits here are lost. For settings of your own use ALTER SYSTEM, which keeps
# them in postgresql.auto.conf and wins over this file.
"""


@dataclass(frozen=True, slots=True)
class Machine:
    """What Postgres may use: the machine, or the container's share of it."""

    memory_bytes: int
    cores: int
    shm_bytes: int

    @classmethod
    def detect(cls) -> Self:
        """Look at this machine."""
        memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        try:
            shm_bytes = shutil.disk_usage("/dev/shm").total  # noqa: S108 - looked at, not written to
        except OSError:
            shm_bytes = 0
        return cls(min([memory_bytes, *_memory_limits()]), max(1, min([_cores(), *_core_limits()])), shm_bytes)


def configuration(machine: Machine) -> dict[str, str]:
    """Choose the settings. The service shares the machine with Postgres, so each takes a modest part."""
    memory_mb = machine.memory_bytes // MB
    return {
        # Durability is what an acknowledgement promises. Stated, so that nobody's default can change it.
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        # Recent blocks and segments, and the hot pages of the keys; the operating system's cache holds the rest.
        "shared_buffers": f"{_within(64, memory_mb // 8, 1024)}MB",
        "effective_cache_size": f"{max(128, memory_mb // 2)}MB",
        # A report sorts and groups per actor; four readers with two such nodes each stay under an eighth of memory.
        "work_mem": f"{_within(4, memory_mb // 128, 64)}MB",
        "maintenance_work_mem": f"{_within(64, memory_mb // 16, 512)}MB",
        # Writers and readers of each worker, jobs, and some for people.
        "max_connections": str(_within(100, 40 + 16 * machine.cores, 500)),
        # Random ids touch ledger pages everywhere, each written whole after a checkpoint: fewer checkpoints, less WAL.
        # What a crash must replay stays within some seconds.
        "checkpoint_timeout": "10min",
        "max_wal_size": "2GB",
        "wal_buffers": "16MB",
        # The binaries come without lz4, and pglz costs more processor time than the bytes are worth on a local disk.
        "wal_compression": "off",
        # Local disks are SSDs today.
        "random_page_cost": "1.1",
        "max_parallel_workers": str(machine.cores),
        "max_parallel_workers_per_gather": str(min(2, machine.cores - 1)),
        # Rows come and go in bulk: blocks are deleted when they are sealed, and a day of analytics_events fills from
        # nothing. Their space and their statistics should be up to date soon.
        "autovacuum_naptime": "15s",
        "autovacuum_vacuum_insert_scale_factor": "0.1",
        "autovacuum_analyze_scale_factor": "0.05",
        "dynamic_shared_memory_type": "posix" if machine.shm_bytes >= SMALL_SHM_BYTES else "mmap",
        "timezone": "'UTC'",
        "log_timezone": "'UTC'",
        "log_line_prefix": "'%m [%p] '",
        # Neither failed statements nor details: they quote rows, and a payload never reaches a log. The client logs
        # the SQLSTATE of a failed statement; errors that stop the server are still logged here.
        "log_min_messages": "log",
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
        "log_checkpoints": "off",
        # A sign of life during recovery, which the start waits for.
        "log_startup_progress_interval": "5s",
    }


def render(settings: dict[str, str]) -> str:
    """Write settings in the form of postgresql.conf."""
    return HEADER + "".join(f"{name} = {value}\n" for name, value in settings.items())


def _within(low: int, value: int, high: int) -> int:
    return max(low, min(value, high))


def _cores() -> int:
    # Where the platform tells, those that this process may run on.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cgroups() -> list[Path]:
    """List this process's cgroup and those above it (version 2, the one that containers have today)."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    for line in lines:
        if line.startswith("0::/"):
            own = CGROUP_ROOT / line.removeprefix("0::/")
            return [folder for folder in (own, *own.parents) if folder.is_relative_to(CGROUP_ROOT)]
    return []


def _memory_limits() -> list[int]:
    return [int(text) for folder in _cgroups() if (text := _read(folder / "memory.max")).isdigit()]


def _core_limits() -> list[int]:
    limits = []
    for folder in _cgroups():
        # "<quota> <period>" in microseconds, or "max <period>".
        quota, _, period = _read(folder / "cpu.max").partition(" ")
        if quota.isdigit() and period.isdigit():
            limits.append(int(quota) // int(period))
    return limits


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
