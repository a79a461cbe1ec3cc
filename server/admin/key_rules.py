"""What a key allows: from a request into its stored form, and back."""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from events.catalogue import load_catalogue
from runtime.variables import origin
from server.access.caller import ANY_USER, NO_USERS, TOKEN_SUBJECT
from server.access.key_text import PUBLIC, SERVICE, KeyText
from server.access.scopes import INGEST, PUBLIC_SCOPES, SCOPES
from server.reports.errors import QuestionError
from sociallive.analytics.v1.key_service_pb2 import Key, KeyKind, KeyRules, UserIdRule
from storage.keys.table import StoredKey

NumberT = TypeVar("NumberT", KeyKind, UserIdRule)

MAX_NAME_CHARACTERS = 100
"""A line of a table."""
MAX_ORIGINS = 50
"""More sites than one key should serve."""
KINDS: Mapping[KeyKind, str] = MappingProxyType({KeyKind.KEY_KIND_PUBLIC: PUBLIC, KeyKind.KEY_KIND_SERVICE: SERVICE})
USER_IDS: Mapping[UserIdRule, str] = MappingProxyType(
    {
        UserIdRule.USER_ID_RULE_NONE: NO_USERS,
        UserIdRule.USER_ID_RULE_ANY: ANY_USER,
        UserIdRule.USER_ID_RULE_TOKEN_SUBJECT: TOKEN_SUBJECT,
    }
)


def read_rules(rules: KeyRules, key: KeyText, now: datetime) -> StoredKey:
    """Check what a new key is to allow, and make its stored form.

    Args:
        rules: as they were asked for.
        key: the new key, of the kind that the rules name.
        now: an aware time.

    Raises:
        QuestionError: a rule is not allowed.
    """
    if not rules.name.strip() or len(rules.name) > MAX_NAME_CHARACTERS or not rules.name.isprintable():
        raise QuestionError("rules.name", f"must say what the key is for, in {MAX_NAME_CHARACTERS} characters at most")
    for name in ("events_per_second", "daily_events", "concurrent_reports"):
        if getattr(rules, name) < 0:
            raise QuestionError(f"rules.{name}", "must be 0, for no limit, or more")
    expires_at = rules.expires_at.ToDatetime(UTC) if rules.HasField("expires_at") else None
    if expires_at is not None and expires_at <= now:
        raise QuestionError("rules.expires_at", "must be in the future")
    return StoredKey(
        id=key.id,
        kind=key.kind,
        hash=key.hash,
        name=rules.name,
        scopes=_scopes(rules),
        origins=_origins(rules),
        event_types=_event_types(rules),
        user_ids=_user_ids(rules),
        events_per_second=rules.events_per_second,
        daily_events=rules.daily_events,
        concurrent_reports=rules.concurrent_reports,
        created_at=now,
        expires_at=expires_at,
    )


def read_kind(rules: KeyRules) -> str:
    """Read the kind of a new key.

    Raises:
        QuestionError: none is given.
    """
    kind = KINDS.get(rules.kind)
    if kind is None:
        raise QuestionError("rules.kind", "must be KEY_KIND_PUBLIC or KEY_KIND_SERVICE")
    return kind


def write_key(stored: StoredKey) -> Key:
    """Write a key for an answer: everything but its hash."""
    rules = KeyRules(
        kind=_name_of(KINDS, stored.kind),
        name=stored.name,
        scopes=stored.scopes,
        origins=stored.origins,
        event_types=stored.event_types,
        user_ids=_name_of(USER_IDS, stored.user_ids),
        events_per_second=stored.events_per_second,
        daily_events=stored.daily_events,
        concurrent_reports=stored.concurrent_reports,
        expires_at=write_time(stored.expires_at),
    )
    return Key(
        key_id=stored.id,
        rules=rules,
        created_at=write_time(stored.created_at),
        revoked_at=write_time(stored.revoked_at),
        last_used_at=write_time(stored.last_used_at),
    )


def write_time(moment: datetime | None) -> Timestamp | None:
    """Write a time; None stays None, and leaves its field unset."""
    if moment is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def _scopes(rules: KeyRules) -> list[str]:
    wanted = list(dict.fromkeys(rules.scopes)) or [INGEST]
    allowed = PUBLIC_SCOPES if rules.kind == KeyKind.KEY_KIND_PUBLIC else SCOPES.keys()
    for scope in wanted:
        if scope not in allowed:
            whose = "a public key" if rules.kind == KeyKind.KEY_KIND_PUBLIC else "a key"
            raise QuestionError("rules.scopes", f"{whose} can have: {', '.join(sorted(allowed))}")
    return wanted


def _origins(rules: KeyRules) -> list[str]:
    if rules.origins and rules.kind != KeyKind.KEY_KIND_PUBLIC:
        raise QuestionError("rules.origins", "are for public keys: a service has none")
    if len(rules.origins) > MAX_ORIGINS:
        raise QuestionError("rules.origins", f"must be {MAX_ORIGINS} at most")
    for each in rules.origins:
        try:
            is_one = origin(each) != "*"
        except ValueError:
            is_one = False
        if not is_one:
            raise QuestionError("rules.origins", "must be origins such as https://shop.example; none allows all")
    return list(dict.fromkeys(rules.origins))


def _event_types(rules: KeyRules) -> list[str]:
    known = load_catalogue().types
    if any(each not in known for each in rules.event_types):
        raise QuestionError("rules.event_types", f"must be of {', '.join(known)}")
    return list(dict.fromkeys(rules.event_types))


def _user_ids(rules: KeyRules) -> str:
    if rules.user_ids == UserIdRule.USER_ID_RULE_UNSPECIFIED:
        return NO_USERS if rules.kind == KeyKind.KEY_KIND_PUBLIC else ANY_USER
    rule = USER_IDS.get(rules.user_ids)
    if rule is None:
        raise QuestionError("rules.user_ids", "must be one of the values of UserIdRule")
    return rule


def _name_of(names: Mapping[NumberT, str], text: str) -> NumberT:
    return next(number for number, name in names.items() if name == text)
