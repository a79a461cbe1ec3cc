"""One secret gives the same keys wherever it is read, and another key for each purpose."""

from pathlib import Path

import pytest

from runtime.settings import Settings
from server.secrets import ADDRESS_PURPOSE, PAGE_TOKEN_PURPOSE, SECRET_FILE, ServiceSecret, load_secret


def test_each_purpose_has_a_key_of_its_own() -> None:
    """A key that signs page tokens says nothing about hashed addresses."""
    secret = ServiceSecret("k" * 32, "here")
    keys = {secret.derive_key(purpose) for purpose in (ADDRESS_PURPOSE, PAGE_TOKEN_PURPOSE, "another")}
    assert len(keys) == 3
    assert {len(key) for key in keys} == {32}


def test_a_derived_key_never_changes() -> None:
    """Hashes made with it are stored: a newer program must make the same."""
    key = ServiceSecret("0123456789abcdef", "here").derive_key(ADDRESS_PURPOSE)
    assert key.hex() == "c500546a4b8e4afc5d3b92f68dea3a637d12626427057dbfbed241d6deb41cf9"


@pytest.mark.parametrize("length", [16, 64, 1000])
def test_a_secret_may_have_any_length(length: int) -> None:
    """Nothing of a long one is cut off."""
    secret = "k" * length
    assert ServiceSecret(secret, "").derive_key("a") != ServiceSecret(secret[:-1] + "l", "").derive_key("a")


def test_a_generated_secret_is_kept_for_the_next_start(tmp_path: Path) -> None:
    """It is private to its owner, and its place is named."""
    settings = Settings(data_dir=tmp_path / "data")
    first, second = load_secret(settings), load_secret(settings)
    assert first.derive_key("a") == second.derive_key("a")
    path = tmp_path / "data" / SECRET_FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert first.place == str(path)
    assert [each.name for each in path.parent.iterdir()] == [SECRET_FILE]


def test_a_given_secret_goes_before_a_generated_one(tmp_path: Path) -> None:
    """And none is generated."""
    secret = load_secret(Settings(data_dir=tmp_path, ip_hash_key="k" * 32))
    assert secret.place == "ANALYTICS_IP_HASH_KEY"
    assert secret.derive_key("a") == ServiceSecret("k" * 32, "").derive_key("a")
    assert not list(tmp_path.iterdir())
