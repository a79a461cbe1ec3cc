"""`analytics import --rejects` and `--dry-run`, and what it says about a CSV that does not fit its mapping."""

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.import_.command import command
from tests.fake_service import FakeService, serving
from tests.integration.test_cli_import import MAPPING, counts, csv_file

BAD_ROWS = ["a,2024-01-01,1", "bad,2024-01-01,2", 'c,2024-01-01,"3', ' no number"', "d,2024-01-01", "e,2024-01-02,5"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the command runs, with a mapping."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.toml").write_text(MAPPING)
    return tmp_path


def run(*arguments: str) -> Result:
    """Run the command and print its counts as JSON."""
    return CliRunner().invoke(command, [*arguments, "--json"])


@pytest.mark.finding(33)
def test_rejected_rows_are_kept_as_they_stood_and_imported_once_mended(folder: Path) -> None:
    """Each below its line number and reason; mended, it becomes the event of the same row of the source."""
    csv_file(folder, BAD_ROWS)
    sales = ("--mapping", "m.toml", "--dataset", "sales")
    with serving(service := FakeService()) as address:
        first = run("sales.csv", *sales, "--rejects", "rejects.csv", "--address", address)
        assert counts(first) == (5, 2, 0, 3, 0)
        assert "3 rejected records are in rejects.csv" in first.stderr
        rejects = (folder / "rejects.csv").read_text()
        assert rejects == (
            "customer,at,paid\n"
            "#!rejected line 3, row 2: INVALID_EVENT user_id: must not be bad\n"
            "bad,2024-01-01,2\n"
            "#!rejected line 5, row 3: amount: '3\\n no number' cannot be used: not a number, as in 1234.5\n"
            'c,2024-01-01,"3\n no number"\n'
            "#!rejected line 6, row 4: has 2 cells where the header has 3\n"
            "d,2024-01-01\n"
        )
        mended = rejects.replace("bad,", "b,").replace('"3\n no number"', "3").replace("d,2024-01-01", "d,2024-01-01,4")
        (folder / "rejects.csv").write_text(mended)
        assert counts(run("rejects.csv", *sales, "--address", address)) == (3, 3, 0, 0, 0)
        (folder / "sales.csv").write_text(
            "customer,at,paid\na,2024-01-01,1\nb,2024-01-01,2\nc,2024-01-01,3\nd,2024-01-01,4\ne,2024-01-02,5\n"
        )
        assert counts(run("sales.csv", *sales, "--address", address)) == (5, 0, 5, 0, 0)
    assert sorted(event.purchase.order_id for event in service.events.values()) == [f"o-{row}" for row in range(1, 6)]


@pytest.mark.finding(33)
def test_rejected_json_is_kept_to_the_byte(folder: Path) -> None:
    """Also what is no event, no JSON and no text; what is too long is named."""
    bad = [b"nonsense", b"\xff\xfe", b'{"userId": "bad", "eventType": "view", "data": {"n": 12345678901234567890}}']
    good = b'{"userId": "u", "eventType": "view", "data": {}}'
    (folder / "events.ndjson").write_bytes(b"\n\n".join([bad[0], good, *bad[1:], b'"' + b"x" * 2_000_000 + b'"']))
    with serving(FakeService()) as address:
        result = run("events.ndjson", "--rejects", "rejects.ndjson", "--address", address)
    assert counts(result) == (5, 1, 0, 4, 0)
    lines = (folder / "rejects.ndjson").read_bytes().split(b"\n")
    assert [line for line in lines if not line.startswith(b"#!rejected ")] == [*bad, b"", b""]
    assert [int(line.split()[2].rstrip(b",")) for line in lines if line.startswith(b"#!rejected ")] == [1, 5, 7, 9]
    assert stat.S_IMODE((folder / "rejects.ndjson").stat().st_mode) == 0o600


@pytest.mark.finding(33)
def test_without_a_rejected_record_there_is_no_file_and_none_is_overwritten(folder: Path) -> None:
    """A file that exists is a mistake of the command line."""
    csv_file(folder, BAD_ROWS[:1])
    with serving(service := FakeService()) as address:
        arguments = ("sales.csv", "--mapping", "m.toml", "--address", address, "--rejects")
        assert run(*arguments, "rejects.csv").exit_code == 0
        assert not (folder / "rejects.csv").exists()
        refused = run(*arguments, "sales.csv")
        assert (refused.exit_code, service.calls) == (2, 1)
        assert "sales.csv exists" in refused.stderr
        assert run("sales.csv", *arguments, "rejects.csv").exit_code == 2


@pytest.mark.finding(33)
def test_a_dry_run_tells_the_same_and_sends_nothing(folder: Path) -> None:
    """By the rules of the service, without a service: counts, problems, rejected records."""
    rows = ["a,2024-01-01,1", "b,2024-01-01,-1", "c,never,1"]
    csv_file(folder, rows)
    arguments = ("sales.csv", "--mapping", "m.toml", "--address", "127.0.0.1:1")
    result = run(*arguments, "--dry-run", "--rejects", "rejects.csv")
    assert (result.exit_code, counts(result)) == (1, (3, 1, 0, 2, 0))
    assert "sales.csv:3: INVALID_EVENT purchase.amount: " in result.stderr
    assert "sales.csv:4: timestamp: 'never' cannot be used" in result.stderr
    assert "warning: in 1 records timestamp is more than 90 days old" in result.stderr
    assert "Dry run: nothing was sent." in result.stderr
    assert (folder / "rejects.csv").read_text().count("#!rejected") == 2


@pytest.mark.finding(33)
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"customer;at;paid\na;2024-01-01;1\n", "line 1 seems to separate columns by ';', not by ','"),
        (b"customer\tat\tpaid\na\t2024-01-01\t1\n", r"separate columns by '\t', not by ','"),
        (b"a,2024-01-01,1\nb,2024-01-01,1\n", "line 1 holds numbers or dates, not the names of columns"),
        ("customer,at,paid\n".encode("utf-16"), "line 1 is UTF-16; convert it"),
        (b"customer,when,paid\na,2024-01-01,1\n", "no column 'at'"),
    ],
    ids=["semicolons", "tabs", "no header", "UTF-16", "another name"],
)
def test_a_csv_that_does_not_fit_is_explained(folder: Path, content: bytes, told: str) -> None:
    """Before anything is sent, and without showing a row."""
    (folder / "sales.csv").write_bytes(content)
    with serving(service := FakeService()) as address:
        result = run("sales.csv", "--mapping", "m.toml", "--address", address)
    assert (result.exit_code, service.calls) == (2, 0)
    assert told in result.stderr
    assert "2024" not in result.stderr


@pytest.mark.finding(33)
def test_rows_in_another_encoding_are_explained(folder: Path) -> None:
    """The header of a file from Windows may well be plain."""
    (folder / "sales.csv").write_bytes("customer,at,paid\nMüller,2024-01-01,1\nAnn,2024-01-01,1\n".encode("cp1252"))
    with serving(FakeService()) as address:
        result = run("sales.csv", "--mapping", "m.toml", "--address", address)
    assert counts(result) == (2, 1, 0, 1, 0)
    assert "iconv -f WINDOWS-1252 -t UTF-8" in result.stderr


def test_what_the_service_does_not_tell_is_said(folder: Path) -> None:
    """An answer may name fewer rejections than it counts."""
    service = FakeService()
    csv_file(folder, ["bad,2024-01-01,1"] * 3)
    take = service.TrackBatch

    def forget(requests: object, context: object) -> object:
        answer = take(requests, context)  # type: ignore[arg-type]  # as gRPC hands them over
        del answer.rejections[1:]
        return answer

    service.TrackBatch = forget  # type: ignore[method-assign, assignment]
    with serving(service) as address:
        result = run("sales.csv", "--mapping", "m.toml", "--address", address, "--rejects", "rejects.csv")
    assert json.loads(result.stdout)["rejected"] == 3
    assert "did not report the reasons for 2 more rejected records" in result.stderr
