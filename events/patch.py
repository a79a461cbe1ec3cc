"""Patches: small changes of field values that correct an event before it is validated again.

They change the plain values of parsed JSON (`events.json.document`) or of a converted message
(`events.json.message`), and validate nothing: the reader does, after the changes.
"""

from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, ClassVar

from events.catalogue import load_catalogue
from events.event_type import Field
from events.rules.json_rules import IGNORED, MESSAGES
from events.violations import Violation, nearest, quoted
from runtime.errors import AnalyticsError

MAX_STEPS = 16
"""Deeper than any path into an event, whose objects nest four deep."""
DATA = "data"
PATCH_DOES_NOT_FIT = "PATCH_DOES_NOT_FIT"

Members = dict[str, Any]
Path = tuple[str, ...]

_CATALOGUE = load_catalogue()
_TYPES = tuple(_CATALOGUE.types)


class PatchError(AnalyticsError):
    """A change cannot be made to any event: the path leads nowhere."""

    reason: ClassVar[str] = "INVALID_PATCH"


class _MisfitError(Exception):
    """A change cannot be made to this event."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change: set the field at `path` to a JSON value, remove it, or give its value to another field.

    Example:
        >>> value = {"eventType": "view", "usrId": "u1"}
        >>> apply_changes(value, [Change(("data", "contentType"), "post"), Change(("usrId",), move_to=("userId",))])
        []
        >>> value
        {'eventType': 'view', 'data': {'contentType': 'post'}, 'userId': 'u1'}
    """

    path: Path
    value: Any = None
    remove: bool = False
    move_to: Path = ()
    """The path of the field that takes the value; empty where it stays."""


def read_path(text: str, *, may_be_unknown: bool = False) -> Path:
    """Read a path by JSON or proto names, for example "data.contentId", into its steps.

    Args:
        text: as violations name fields.
        may_be_unknown: whether it may lead to a field that no event has: such a field can be removed, or moved.

    Raises:
        PatchError: no event has such a field, or it cannot be changed.
    """
    steps = tuple(text.split("."))
    if not all(steps) or len(steps) > MAX_STEPS:
        raise PatchError(f'must be names joined by dots, as in "data.contentId", not {quoted(text)}')
    for names in IGNORED.items():
        if steps[0] in names:
            raise PatchError(f"{names[1]} is set by the service and cannot be changed")
    if steps[0] not in _EVENT_NAMES and not may_be_unknown:
        near = nearest(steps[0], tuple(dict.fromkeys(_EVENT_NAMES.values())))
        hint = f"; did you mean {near}?" if near else ""
        raise PatchError(f"{quoted(text)} is not a field of an event{hint}")
    return steps


def apply_changes(value: Members, changes: Sequence[Change]) -> list[Violation]:
    """Apply the changes to an event, in order, and return those that do not fit it; then the event is half changed.

    A path into the payload fits either form of it: `data.contentId` also changes a typed view, `view.contentId` also
    the `data` of a view. Fields may be called by either of their names, whichever the event uses.
    """
    found = []
    for change in changes:
        try:
            _apply(value, change)
        except _MisfitError as exc:
            found.append(Violation(".".join(change.path), PATCH_DOES_NOT_FIT, str(exc)))
    return found


def _apply(value: Members, change: Change) -> None:
    if not change.remove and not change.move_to:
        members, name = _place(value, change.path)
        members[name] = deepcopy(change.value)
        return
    found = _find(value, change.path)
    if found is None:
        return
    members, name = found
    moved = members.pop(name)
    if change.move_to:
        members, name = _place(value, change.move_to)
        members[name] = moved


def _find(value: Members, path: Path) -> tuple[Members, str] | None:
    """Return the object that has the member at a path, and the member's name in it; None if there is none."""
    members: Any = value
    for name in _steps_in(value, path)[:-1]:
        members = members.get(name)
        if not isinstance(members, dict):
            return None
    name = _steps_in(value, path)[-1]
    return (members, name) if name in members else None


def _place(value: Members, path: Path) -> tuple[Members, str]:
    """Return the same for a member that is about to be set; missing objects on the path are created."""
    *parents, last = _steps_in(value, path)
    members = value
    for name in parents:
        if members.get(name) is None:
            members[name] = {}
        members = members[name]
        if not isinstance(members, dict):
            raise _MisfitError(f"{quoted(name)} has no fields; change it as a whole")
    return members, last


def _steps_in(value: Members, path: Path) -> list[str]:
    """Write a path by the names that this event uses: of its payload, and of each field that has two."""
    first, *inner = path
    if not inner:
        return [_name_in(value, first, _EVENT_NAMES)]
    if first not in (DATA, *_TYPES):
        first = _name_in(value, first, _EVENT_NAMES)
        names = _DEVICE_NAMES if first == "device" else {}
        return [first, _name_in(value.get(first), inner[0], names), *inner[1:]]
    typed = next((name for name in _TYPES if value.get(name) is not None), None)
    event_type = typed or value.get(_name_in(value, "eventType", _EVENT_NAMES))
    if first == DATA:
        holder = typed or DATA
    elif typed is None and value.get(DATA) is None:
        holder = event_type = first
    elif event_type == first:
        holder = typed or DATA
    else:
        raise _MisfitError(f"this is a {quoted(str(event_type))} event")
    names = _PAYLOAD_NAMES.get(event_type, {}) if isinstance(event_type, str) else {}
    return [holder, _name_in(value.get(holder), inner[0], names), *inner[1:]]


def _name_in(members: Any, name: str, json_names: dict[str, str]) -> str:
    """Return which of a field's two names an object uses: the given one, the other one, or the JSON name by default."""
    json_name = json_names.get(name, name)
    if not isinstance(members, dict) or name in members:
        return name if isinstance(members, dict) else json_name
    return next((other for other in members if json_names.get(other) == json_name), json_name)


def _json_names(fields: Iterable[Field]) -> dict[str, str]:
    """Map both names of each field to its JSON name."""
    return {name: field.json_name for field in fields for name in (field.name, field.json_name)}


_EVENT_NAMES = (
    _json_names(_CATALOGUE.envelope.values())
    | {
        name: json_name
        for names in MESSAGES.items()
        for name, json_name in ((names[0], names[1]), (names[1], names[1]))
    }
    | {name: name for name in _TYPES}
)
_DEVICE_NAMES = _json_names(_CATALOGUE.device)
_PAYLOAD_NAMES = {name: _json_names(event_type.fields) for name, event_type in _CATALOGUE.types.items()}
