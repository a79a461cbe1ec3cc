"""Keeps what each released version of an event type means: proto/released.json, which `make check` compares.

Callers wrote their code for a version, so it never changes: a new rule is a new version. `--write` adds versions that
the file lacks and touches no other; without it the catalogue is compared with the file.
"""

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from events.catalogue import load_catalogue
from events.event_type import Catalogue, Field

RELEASED = Path(__file__).parents[1] / "proto" / "released.json"
NO_MEANING = frozenset({"name", "json_name", "kind", "since", "known_values", "integer_range"})
"""Rules that are recorded elsewhere, or that inform people and validate nothing."""
GROWING = ("event", "device")
"""What has no version of its own and may get new fields: events without them mean what they meant."""
DEFAULTS = {field.name: field.default for field in dataclasses.fields(Field)}

Meaning = dict[str, dict[str, Any]]
"""The fields of a version by their JSON names, each with its kind and rules."""


def describe(catalogue: Catalogue) -> dict[str, Meaning]:
    """Write down what each version means: by "view 1.0.0", and what all events share by "event" and "device"."""
    meanings = {
        f"{name} {version.version}": _fields(event_type.fields_in(version.version))
        for name, event_type in catalogue.types.items()
        for version in event_type.versions
    }
    return meanings | {"event": _fields(catalogue.envelope.values()), "device": _fields(catalogue.device)}


def changes(released: Mapping[str, Meaning], current: Mapping[str, Meaning]) -> Iterator[str]:
    """Say how the meaning of released versions differs now, one line a difference."""
    for release, fields in released.items():
        if release not in current:
            yield f"{release} is gone"
            continue
        for name in sorted(fields.keys() | current[release].keys()):
            before, after = fields.get(name), current[release].get(name)
            if before is None and release in GROWING:
                continue
            if before is None or after is None:
                yield f"{release}: the field {name} is {'new' if before is None else 'gone'}"
                continue
            for rule in sorted(before.keys() | after.keys()):
                if before.get(rule) != after.get(rule):
                    yield f"{release}: {name}: {rule} was {_told(before, rule)} and is {_told(after, rule)}"


def main() -> int:
    """Compare, or with --write add what is missing; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="add the versions that the file lacks")
    write = parser.parse_args().write
    current = describe(load_catalogue())
    released: dict[str, Meaning] = json.loads(RELEASED.read_text()) if RELEASED.exists() else {}
    if write:
        grown = {name: current[name] | released.get(name, {}) for name in GROWING}
        RELEASED.write_text(json.dumps(current | released | grown, indent=2) + "\n")
        return 0
    found = [
        *changes(released, current),
        *(f"{release} is not in it yet: run `make gen`" for release in current if release not in released),
    ]
    if not found:
        return 0
    print(f"{RELEASED.name} says what released versions mean, and the .proto files say otherwise:")
    print("".join(f"  {line}\n" for line in found))
    print(
        "Events that were valid would be refused, or mean something else than their senders meant. Leave the released\n"
        "version as it was, and put the change into a new one (docs/schema-versions.md). What was never released may\n"
        f"be taken out of proto/{RELEASED.name} by hand; `make gen` then writes it anew."
    )
    return 1


def _fields(fields: Iterable[Field]) -> Meaning:
    return {field.json_name: _rules(field) for field in fields}


def _rules(field: Field) -> dict[str, Any]:
    rules = {name: value for name, value in _values(field) if name not in NO_MEANING and value != DEFAULTS[name]}
    return {"kind": field.kind.name, **rules}


def _values(field: Field) -> Iterator[tuple[str, Any]]:
    for name in DEFAULTS:
        value = getattr(field, name)
        yield name, list(value) if isinstance(value, tuple) and value else value


def _told(rules: Mapping[str, Any], rule: str) -> str:
    return json.dumps(rules[rule]) if rule in rules else "not there"


if __name__ == "__main__":
    sys.exit(main())
