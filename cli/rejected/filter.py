"""Shared by the commands for rejected events: the options that select events, and the output of violations."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import click

from cli.scope import ScopeOptions, scope_options
from sociallive.analytics.v1.admin_service_pb2 import RejectedEventFilter
from sociallive.analytics.v1.track_pb2 import FieldViolation

CALL_TIMEOUT_S = 60.0
"""The service answers each of these calls in some twenty seconds at most."""


def filter_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that choose rejected events, and --json; it receives `only: RejectedEventFilter`."""

    @functools.wraps(function)
    def with_filter(
        *, scope: ScopeOptions, reason: str, event_type: str, event_id: str, source: str, **rest: Any
    ) -> None:
        only = RejectedEventFilter(
            **scope.fields(), reason=reason, event_type=event_type, event_id=event_id, source=source
        )
        function(only=only, **rest)

    command = scope_options(with_filter)
    for name, variable, example in (
        ("--source", "source", "that came by this method, as in Track"),
        ("--event-id", "event_id", "with this event id"),
        ("--type", "event_type", "of this event type, as in view"),
        ("--reason", "reason", "rejected for this reason, as in INVALID_EVENT"),
    ):
        command = click.option(name, variable, default="", metavar="TEXT", help=f"Only events {example}.")(command)
    return command


def violations_text(violations: Sequence[FieldViolation]) -> str:
    """Write violations in one line: "data.contentType: is missing; userId: ..."."""
    return "; ".join(f"{each.field}: {each.description}" for each in violations)
