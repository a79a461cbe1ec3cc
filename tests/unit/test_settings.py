"""Settings: what the environment may say."""

from pathlib import Path

import pytest

from runtime.settings import Settings, SettingsError


def test_an_empty_environment_gives_the_defaults() -> None:
    """Nothing needs to be set, and an empty variable counts as missing."""
    assert Settings.from_environment({}) == Settings()
    assert Settings.from_environment({"PORT": " "}).port == 3006


def test_the_variables_of_a_deployment_are_understood() -> None:
    """The variables of the original request, with its values."""
    settings = Settings.from_environment(
        {
            "PORT": "3006",
            "DATABASE_URL": "postgresql://user:pass@postgres:5432/db",
            "ANALYTICS_BATCH_SIZE": "10",
            "ANALYTICS_BATCH_INTERVAL": "30000",
        }
    )
    assert (settings.batch_size, settings.batch_interval_ms) == (10, 30_000)
    assert settings.database_url == "postgresql://user:pass@postgres:5432/db"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "x"),
        ("GRPC_PORT", "65536"),
        ("DATABASE_URL", "mysql://x"),
        ("ANALYTICS_WORKERS", "0"),
        ("ANALYTICS_DRAIN_SECONDS", "nan"),
        ("ANALYTICS_LOG_LEVEL", "loud"),
        ("ANALYTICS_IP_HASH_KEY", "short"),
    ],
)
def test_a_value_of_no_use_is_named(variable: str, value: str) -> None:
    """The message names the variable; a secret's value never appears."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({variable: value})
    assert variable in str(caught.value)
    if variable == "ANALYTICS_IP_HASH_KEY":
        assert value not in str(caught.value)


def test_all_problems_stand_in_one_message() -> None:
    """A person mends them in one go."""
    with pytest.raises(SettingsError, match=r"PORT.*GRPC_PORT"):
        Settings.from_environment({"PORT": "x", "GRPC_PORT": "y"})


def test_secrets_never_show_in_the_representation() -> None:
    """Settings may be logged."""
    settings = Settings(database_url="postgresql://u:pw-1@h/d", ip_hash_key="key-0123456789abcdef", data_dir=Path("d"))
    assert "pw-1" not in repr(settings)
    assert "key-01" not in repr(settings)
