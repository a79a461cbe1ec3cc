"""What a service has logged."""

import json
from typing import Any

from tests.acceptance.running import Service
from tests.chaos.journal import USER_PREFIX

FAULTS_OF_OURS = frozenset({"rpc_failed", "write_failed", "spool_not_drained", "child_killed"})
"""What the service logs when something goes wrong that it did not foresee."""
MOST_QUOTED = 600


def read_log(service: Service, start: int = 0) -> list[dict[str, Any]]:
    """Read the log's lines from a character on; what is no JSON is left out."""
    lines = []
    for text in service.output()[start:].splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict):
            lines.append(line)
    return lines


def find_faults(service: Service, start: int = 0) -> list[str]:
    """Find log lines about unexpected faults, and log lines with content that must not be logged."""
    text = service.output()[start:]
    lines = read_log(service, start)
    faults = [line for line in lines if line.get("event") in FAULTS_OF_OURS or "exception" in line]
    problems = []
    if faults:
        problems.append(f"the log has {len(faults)} faults, the first: {json.dumps(faults[0])[:MOST_QUOTED]}")
    if "Traceback (most recent call last)" in text:
        problems.append("the log has a bare traceback")
    if "}{" in text:
        problems.append("the log has lines that are glued together")
    if USER_PREFIX in text:
        problems.append("the log quotes events")
    return problems
