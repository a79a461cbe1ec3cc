"""Violations as callers get them in a response."""

from collections.abc import Iterable

from events.violations import Violation
from sociallive.analytics.v1.track_pb2 import FieldViolation


def write_violations(violations: Iterable[Violation]) -> list[FieldViolation]:
    """Write each violation as its message."""
    return [FieldViolation(field=v.field, rule=v.rule, description=v.description) for v in violations]
