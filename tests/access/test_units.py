"""Key texts, quotas, snapshots and the policy, by themselves."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.addresses import is_loopback
from runtime.settings import Settings, SettingsError
from server.access.errors import QuotaExceededError
from server.access.key_text import make_key, parse_key
from server.access.policy import OpenServiceError, needs_credentials, require_safety, trusts_any_database
from server.access.quotas import BURST_S, Quota
from storage.keys.snapshot import FILE, MAX_AGE, read_snapshot, write_snapshot
from storage.keys.table import StoredKey

NOW = datetime(2026, 5, 1, 23, 59, tzinfo=UTC)


def stored(**values: object) -> StoredKey:
    """Make a key without quotas, but for what the test says."""
    key = make_key("srv")
    plain = {
        "id": key.id,
        "kind": "srv",
        "hash": key.hash,
        "name": "test",
        "scopes": ["ingest"],
        "origins": [],
        "event_types": [],
        "user_ids": "any",
        "events_per_second": 0,
        "daily_events": 0,
        "concurrent_reports": 0,
        "created_at": NOW,
    }
    return StoredKey(**{**plain, **values})  # type: ignore[arg-type]  # the test knows


@pytest.mark.parametrize("kind", ["pub", "srv"])
def test_a_key_is_read_back_and_every_wrong_character_is_noticed(kind: str) -> None:
    """At each place, without a lookup."""
    key = make_key(kind)
    assert parse_key(key.text) == key
    assert len(key.text) == 66
    for place in range(len(key.text)):
        other = "x" if key.text[place] != "x" else "y"
        assert parse_key(key.text[:place] + other + key.text[place + 1 :]) is None
    assert key.text not in repr(key)


@given(st.text(max_size=80))
def test_any_text_is_read_without_an_error(text: str) -> None:
    """A parser of what strangers send."""
    assert parse_key(text) is None
    assert parse_key(f"sla_srv_{text}") is None


def test_a_rate_holds_on_average_whatever_the_size_of_messages() -> None:
    """A message may overdraw; the debt is paid before the next."""
    clock = [100.0]
    quota = Quota(stored(events_per_second=10), clock=lambda: clock[0], now=lambda: NOW)
    quota.check()
    quota.take(1_000)
    with pytest.raises(QuotaExceededError) as caught:
        quota.check()
    assert caught.value.retry_after_s == pytest.approx((1_001 - 10 * BURST_S) / 10)
    clock[0] += caught.value.retry_after_s
    quota.check()


def test_the_events_of_a_day_are_those_of_all_processes_and_begin_anew_at_midnight() -> None:
    """UTC; what others wrote comes with the next reading."""
    now = [NOW]
    key = stored(daily_events=10)
    quota = Quota(key, now=lambda: now[0])
    quota.take(4)
    assert quota.take_unwritten() == 4
    quota.update(stored(daily_events=10, used_events=9))
    quota.check()
    quota.take(1)
    with pytest.raises(QuotaExceededError) as caught:
        quota.check()
    assert caught.value.retry_after_s == 60
    now[0] += timedelta(minutes=1)
    quota.check()


def test_reports_at_once_are_bounded() -> None:
    """A place is free again when its report ends."""
    quota = Quota(stored(concurrent_reports=1))
    with quota.report(), pytest.raises(QuotaExceededError), quota.report():
        pass
    with quota.report():
        pass


def test_a_snapshot_is_private_and_read_back_while_it_is_fresh(tmp_path: Path) -> None:
    """And not when it is old, of the future, or damaged."""
    keys = [stored(expires_at=NOW, last_used_at=NOW), stored(origins=["https://shop.example"])]
    assert read_snapshot(tmp_path, NOW) is None
    write_snapshot(tmp_path, keys, NOW)
    path = tmp_path / FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == [FILE]
    assert read_snapshot(tmp_path, NOW + MAX_AGE) == keys
    assert read_snapshot(tmp_path, NOW + MAX_AGE + timedelta(seconds=1)) is None
    assert read_snapshot(tmp_path, NOW - timedelta(hours=1)) is None
    path.write_bytes(path.read_bytes()[:-5])
    assert read_snapshot(tmp_path, NOW) is None


@pytest.mark.parametrize(
    ("auth", "host", "needed"),
    [
        ("auto", "127.0.0.1", False),
        ("auto", "localhost", False),
        ("auto", "0.0.0.0", True),  # noqa: S104 - the case under test
        ("auto", "::", True),
        ("auto", "db.example", True),
        ("required", "127.0.0.1", True),
        ("off", "0.0.0.0", False),  # noqa: S104 - likewise
    ],
)
def test_keys_are_needed_beyond_loopback_unless_the_settings_say_otherwise(auth: str, host: str, needed: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """And then a service without any does not start."""
    settings = Settings(auth=auth, host=host, tls="upstream")
    assert needs_credentials(settings) is needed
    require_safety(settings, live_keys=1)
    if needed:
        with pytest.raises(OpenServiceError, match="analytics keys create --first"):
            require_safety(settings, live_keys=0)
    else:
        require_safety(settings, live_keys=0)


@pytest.mark.parametrize(("host", "answer"), [("::1", True), ("[::1]", True), ("127.8.8.8", True), ("", False)])
def test_loopback_is_told_by_the_address(host: str, answer: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Every address of 127.0.0.0/8 is."""
    assert is_loopback(host) is answer


def test_tokens_need_all_of_their_settings() -> None:
    """Half a configuration is named, not used."""
    with pytest.raises(SettingsError, match="ANALYTICS_JWT_AUDIENCE"):
        Settings.from_environment({"ANALYTICS_JWT_ISSUER": "https://id.example", "ANALYTICS_JWT_JWKS": "jwks.json"})
    with pytest.raises(SettingsError, match="https://"):
        Settings.from_environment({"ANALYTICS_JWT_JWKS": "http://id.example/jwks"})


@pytest.mark.parametrize(
    ("url", "answer"),
    [
        (None, False),
        ("postgresql:///analytics?host=/run/postgresql", False),
        ("postgresql://user:pass@127.0.0.1:5432/db", False),
        ("postgresql://user:pass@[::1]/db?sslmode=disable", False),
        ("postgresql://user:pass@db.example:5432/db", True),
        ("postgresql://user:pass@db.example/db?sslmode=require", True),
        ("postgresql://user:pass@db.example/db?sslmode=verify-full", False),
        ("postgresql:///db?host=db.example", True),
    ],
)
def test_a_database_elsewhere_should_be_verified(url: str | None, answer: bool) -> None:  # noqa: FBT001 - likewise
    """What only encrypts would talk to anybody between the machines."""
    assert trusts_any_database(Settings(database_url=url)) is answer
