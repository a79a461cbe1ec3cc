"""How the commands print keys."""

from datetime import UTC

import click

from cli.render import NOTHING, count_text, open_console, print_line, print_table
from server.admin.key_rules import KINDS
from sociallive.analytics.v1.key_service_pb2 import Key

CALL_TIMEOUT_S = 30.0
"""Each of these calls is one small transaction."""


def print_text(text: str, key: Key) -> None:
    """Print a new key's text alone on stdout, so that it can be redirected into a file, and the rest on stderr."""
    click.echo(text)
    console = open_console(stderr=True)
    print_line(console, f"Key {key.key_id} ({key.rules.name}). Keep its text: it cannot be read again.")


def print_keys(keys: list[Key]) -> None:
    """Print keys as a table."""
    if not keys:
        print_line(open_console(), "No keys.")
        return
    columns = ["Key", "Kind", "Name", "Scopes", "Quotas", "State", "Last used (UTC)"]
    rows = [
        [
            key.key_id,
            KINDS.get(key.rules.kind, NOTHING),
            key.rules.name,
            ", ".join(key.rules.scopes),
            _quotas(key) or NOTHING,
            _state(key),
            f"{key.last_used_at.ToDatetime(UTC):%Y-%m-%d %H:%M}" if key.HasField("last_used_at") else "never",
        ]
        for key in keys
    ]
    print_table(open_console(), "Keys", columns, rows, elastic=frozenset({"Name", "Scopes", "Quotas"}))


def _quotas(key: Key) -> str:
    quotas = (
        (key.rules.events_per_second, "events/s"),
        (key.rules.daily_events, "events/day"),
        (key.rules.concurrent_reports, "reports"),
    )
    return ", ".join(f"{count_text(most)} {what}" for most, what in quotas if most)


def _state(key: Key) -> str:
    if key.HasField("revoked_at"):
        return "revoked"
    if key.rules.HasField("expires_at"):
        return f"until {key.rules.expires_at.ToDatetime(UTC):%Y-%m-%d %H:%M}"
    return "live"
