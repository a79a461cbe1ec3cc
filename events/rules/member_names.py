"""The names of a JSON object's members: converts each to camelCase, and finds unknown ones."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from events import violations
from events.violations import Violation, key_path, nearest


class MemberNames:
    """Converts objects with snake_case or unknown names into objects with the fields' JSON names.

    Readers use it only for objects with other than JSON names: most callers send JSON names only.
    """

    def __init__(
        self,
        fields: Iterable[tuple[str, str]],
        owner: str,
        prefix: str = "",
        advice: Callable[[str], str] | None = None,
    ) -> None:
        """Take the names.

        Args:
            fields: the name in the .proto file and the JSON name of each field.
            owner: the owner of the fields in descriptions, for example "view event".
            prefix: precedes the names in violations, for example "device."; may be empty.
            advice: returns where else an unknown name belongs, given the name; empty if there is no such place.
        """
        self._json_names: dict[str, str] = {}
        self._other_names: dict[str, str] = {}
        for name, json_name in fields:
            self._json_names |= {name: json_name, json_name: json_name}
            self._other_names |= {json_name: name}
        self._known = tuple(self._other_names)
        article = "an" if owner[:1] in "aeiou" else "a"
        self._owner, self._prefix, self._advice = f"{article} {owner}", prefix, advice

    def rename(self, members: Mapping[str, Any], found: list[Violation]) -> dict[str, Any]:
        """Return the object by JSON names, without the unknown ones; appends violations to the given list."""
        renamed: dict[str, Any] = {}
        for name, value in members.items():
            json_name = self._json_names.get(name)
            if json_name is None:
                if len(found) > violations.MAX_VIOLATIONS:
                    break
                found.append(self._unknown(name))
            elif name != json_name and json_name in members:
                problem = f"is given as both {json_name} and {name}; keep one"
                found.append(Violation(self._prefix + json_name, violations.DUPLICATE_FIELD, problem))
            else:
                renamed[json_name] = value
        return renamed

    def _unknown(self, name: str) -> Violation:
        near = nearest(name, self._known)
        hint = self._advice(name) if self._advice else ""
        if not hint:
            hint = f"did you mean {near}?" if near else f"known fields: {', '.join(self._known)}"
        path = key_path("", name)[1:]
        return Violation(self._prefix + path, violations.UNKNOWN_FIELD, f"is not a field of {self._owner}; {hint}")
