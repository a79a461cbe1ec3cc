"""Settings: what the environment may say."""

from pathlib import Path
from urllib.parse import quote

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


@pytest.mark.finding(22)
@pytest.mark.parametrize("line", ["61 * * * *", "* * * * 1", "a b c d e", "* * *", "* 25 * * *", "*/0 * * * *"])
def test_a_cron_line_that_cannot_run_is_refused(line: str) -> None:
    """It is read by the library that runs it; numbers of weekdays mean one thing to cron and another to that."""
    with pytest.raises(SettingsError, match="ANALYTICS_RETENTION_CRON"):
        Settings.from_environment({"ANALYTICS_RETENTION_CRON": line})


@pytest.mark.parametrize("line", ["off", "OFF", "*/5 * * * *", "30 5 * * mon-FRI", "*/15 * * * * *"])
def test_a_cron_line_that_can_run_is_taken(line: str) -> None:
    """In lower case."""
    assert Settings.from_environment({"ANALYTICS_RETENTION_CRON": line}).retention_cron == line.lower()


@pytest.mark.finding(22)
@pytest.mark.parametrize(
    ("unknown", "meant"),
    [
        ("ANALYTICS_RETENTON_RAW_DAYS", "ANALYTICS_RETENTION_RAW_DAYS"),
        ("ANALYTICS_WORKER", "ANALYTICS_WORKERS"),
        ("ANALYTICS_DATABASE_URL", "DATABASE_URL"),
        ("ANALYTICS_GRPC_PORT", "GRPC_PORT"),
    ],
)
def test_an_unknown_variable_is_refused_with_the_nearest(unknown: str, meant: str) -> None:
    """A misspelt setting is not ignored."""
    with pytest.raises(SettingsError, match=f"{unknown} is not a setting; did you mean {meant}?"):
        Settings.from_environment({unknown: "1"})


@pytest.mark.finding(22)
def test_an_unknown_variable_that_resembles_nothing_is_refused() -> None:
    """The message says what to do."""
    with pytest.raises(SettingsError, match="ANALYTICS_XYZZY is not a setting; unset it"):
        Settings.from_environment({"ANALYTICS_XYZZY": "1"})


def test_what_kubernetes_and_tests_set_is_not_ours() -> None:
    """Every container learns of services named analytics or analytics-something this way."""
    foreign = {
        "ANALYTICS_SERVICE_HOST": "10.0.0.1",
        "ANALYTICS_SERVICE_PORT": "3006",
        "ANALYTICS_SERVICE_PORT_GRPC": "50051",
        "ANALYTICS_PORT": "tcp://10.0.0.1:3006",
        "ANALYTICS_PORT_3006_TCP": "tcp://10.0.0.1:3006",
        "ANALYTICS_PORT_3006_TCP_ADDR": "10.0.0.1",
        "ANALYTICS_PORT_3006_TCP_PORT": "3006",
        "ANALYTICS_PORT_3006_TCP_PROTO": "tcp",
        "ANALYTICS_DB_SERVICE_HOST": "10.0.0.2",
        "ANALYTICS_DB_PORT_5432_TCP_ADDR": "10.0.0.2",
        "ANALYTICS_TEST_DATABASE": "x",
        "ANALYTICS_ADDRESS": "127.0.0.1:50051",
        "OTHER": "x",
    }
    assert Settings.from_environment(foreign) == Settings()


@pytest.mark.finding(22)
@pytest.mark.parametrize(
    ("raw", "hourly", "daily", "named"),
    [
        ("90", "30", "", "ANALYTICS_RETENTION_HOURLY_DAYS must be 90 or more"),
        ("", "", "100", "ANALYTICS_RETENTION_DAILY_DAYS must be 365 or more"),
        ("0", "365", "", "ANALYTICS_RETENTION_HOURLY_DAYS must be 0"),
        ("30", "0", "365", "ANALYTICS_RETENTION_DAILY_DAYS must be 0"),
        ("400", "", "380", "ANALYTICS_RETENTION_DAILY_DAYS must be 400 or more"),
    ],
)
def test_what_is_coarser_is_kept_at_least_as_long(raw: str, hourly: str, daily: str, named: str) -> None:
    """Rollups that go before what they were made of are a mistake; 0 keeps without end."""
    environ = {
        "ANALYTICS_RETENTION_RAW_DAYS": raw,
        "ANALYTICS_RETENTION_HOURLY_DAYS": hourly,
        "ANALYTICS_RETENTION_DAILY_DAYS": daily,
    }
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(environ)
    assert named in str(caught.value)


@pytest.mark.parametrize(("raw", "hourly", "daily"), [(30, 365, 1826), (400, 400, 1826), (4000, 4000, 4000), (0, 0, 0)])
def test_rollups_follow_raw_events_that_stay_longer(raw: int, hourly: int, daily: int) -> None:
    """Setting one of them alone is never a contradiction."""
    settings = Settings.from_environment({"ANALYTICS_RETENTION_RAW_DAYS": str(raw)})
    kept = (settings.retention_raw_days, settings.retention_hourly_days, settings.retention_daily_days)
    assert kept == (raw, hourly, daily)


@pytest.mark.finding(28)
@pytest.mark.parametrize("password", ["p@ss", "a/b", "a#b", "a?b", "100%", "a@b/c#d?e%f:g"])
def test_a_password_is_taken_percent_encoded(password: str) -> None:
    """Of one that is not, the message says how, and quotes nothing; a lone @ is clear enough."""
    url = f"postgresql://user:{quote(password, safe='')}@host:5432/db"
    assert Settings.from_environment({"DATABASE_URL": url}).database_url == url
    if password != "p@ss":  # noqa: S105 - of nobody
        with pytest.raises(SettingsError, match=r"%40 for @.*PGPASSWORD") as caught:
            Settings.from_environment({"DATABASE_URL": f"postgresql://user:{password}@host:5432/db"})
        assert password not in str(caught.value)


@pytest.mark.parametrize("value", ["unix:/run/a.sock,unix:/run/b.sock", "a:1,[::1]:2"])
def test_upstreams_are_addresses_or_sockets(value: str) -> None:
    """All of one kind."""
    assert Settings.from_environment({"ANALYTICS_UPSTREAMS": value}).upstreams == tuple(value.split(","))
    for wrong in ("unix:/run/a.sock,a:1", "unix:relative", "a"):
        with pytest.raises(SettingsError, match="ANALYTICS_UPSTREAMS"):
            Settings.from_environment({"ANALYTICS_UPSTREAMS": wrong})


@pytest.mark.parametrize(
    ("variable", "value"),
    [("DATABASE_URL", "postgresql://user:pass@postgres:5432/db"), ("ANALYTICS_IP_HASH_KEY", "k" * 32)],
)
def test_a_secret_may_stand_in_a_file(variable: str, value: str, tmp_path: Path) -> None:
    """As orchestrators mount them, with a line feed at the end; not in both places."""
    path = tmp_path / "secret"
    path.write_text(f"{value}\n")
    given = {f"{variable}_FILE": str(path)}
    settings = Settings.from_environment(given)
    assert value in (settings.database_url, settings.ip_hash_key)
    with pytest.raises(SettingsError, match="are both set") as caught:
        Settings.from_environment({**given, variable: value})
    assert value not in str(caught.value)


def test_a_file_without_a_usable_secret_is_named_and_not_quoted(tmp_path: Path) -> None:
    """It is missing, no text, or holds something else."""
    path = tmp_path / "secret"
    for content in (None, b"\xff\xfe", b"short"):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(SettingsError, match="ANALYTICS_IP_HASH_KEY") as caught:
            Settings.from_environment({"ANALYTICS_IP_HASH_KEY_FILE": str(path)})
        assert "short" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"ANALYTICS_TLS_CERT_FILE": "cert.pem"}, "belong together"),
        ({"ANALYTICS_TLS_KEY_FILE": "key.pem"}, "belong together"),
        ({"ANALYTICS_TLS_CLIENT_CA_FILE": "ca.pem"}, "needs ANALYTICS_TLS_CERT_FILE"),
        (
            {"ANALYTICS_TLS": "upstream", "ANALYTICS_TLS_CERT_FILE": "cert.pem", "ANALYTICS_TLS_KEY_FILE": "key.pem"},
            "contradict each other",
        ),
    ],
)
def test_variables_of_tls_that_do_not_fit_are_refused(given: dict[str, str], told: str) -> None:
    """One file without the other, and a certificate for a port that is said to have none."""
    with pytest.raises(SettingsError, match=told):
        Settings.from_environment(given)
