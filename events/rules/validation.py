"""Validation: finds all violations of an event, in either of the forms that callers send.

A valid event is read once and comes out as plain values, ready to be normalised; an event with violations comes out as
their list. Neither changes the event.
"""

from collections.abc import Callable
from typing import Any

from events.catalogue import load_catalogue
from events.event_type import Catalogue, Form
from events.rules.json_rules import compile_json_rules
from events.rules.message_rules import compile_message_rules
from events.rules.rule_book import Reading, RuleBook, compile_plans
from events.violations import Violation
from sociallive.analytics.v1.event_pb2 import Event


class Validator:
    """Reads and validates events by the rules of a catalogue; immutable after construction.

    Example:
        >>> Validator().validate(Event(event_type="view"))[0].rule
        'NO_PAYLOAD'
    """

    read: Callable[[Event], Reading | list[Violation]]
    """Read a message: a Reading where it is valid, else its violations (never an empty list, and bounded)."""
    read_json: Callable[[dict[str, Any], str], Reading | list[Violation]]
    """Read what JSON became, likewise; the second argument is the event type where the path names it, else empty."""

    def __init__(self, catalogue: Catalogue | None = None) -> None:
        """Compile the rules. `catalogue`: the one of the service's own .proto files where missing."""
        self.catalogue = catalogue or load_catalogue()
        plans = compile_plans(self.catalogue)
        self.read = compile_message_rules(RuleBook(self.catalogue, Form.MESSAGE, plans))
        self.read_json = compile_json_rules(RuleBook(self.catalogue, Form.JSON, plans))

    def validate(self, event: Event) -> list[Violation]:
        """Find all violations of a message; empty if it is valid."""
        reading = self.read(event)
        return reading if isinstance(reading, list) else []

    def validate_json(self, value: dict[str, Any], event_type: str = "") -> list[Violation]:
        """Find all violations of an event that was sent as JSON; empty if it is valid."""
        reading = self.read_json(value, event_type)
        return reading if isinstance(reading, list) else []
