"""`analytics schemas` against a running service: what events look like, and what is wrong with those of a file."""

import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

from cli.schemas import group as schemas
from tests.acceptance.running import Service
from tests.acceptance.samples import RELEASES

GOOD = '{"eventType": "view", "data": {"contentType": "post", "contentId": "post-123"}}'
BAD = '{"eventType": "view", "data": {"contentTipe": "post", "contentId": "post-123", "contentType": "post"}}'


def run(service: Service, *arguments: str, text: str = "") -> Result:
    """Run `analytics schemas` with `text` as its standard input."""
    return CliRunner().invoke(schemas.command, [*arguments, "--address", service.address], input=text)


def test_list_names_every_version(service: Service) -> None:
    """As a table, or as the answer's JSON."""
    table = run(service, "list")
    assert (table.exit_code, table.stdout.count("newest")) == (0, len(dict(RELEASES)))
    assert len(json.loads(run(service, "list", "--json").stdout)["schemas"]) == len(RELEASES)


def test_show_lists_the_fields_of_the_newest_version_or_another(service: Service) -> None:
    """The required ones come first, with their rules in words."""
    newest = run(service, "show", "view").stdout
    assert "view 1.1.0, the newest" in newest
    assert "0 to 86,400; in s" in newest
    older = run(service, "show", "view", "1.0.0").stdout
    assert "viewDuration" not in older
    assert "such as post, product, shop, stream, profile" in older


def test_show_as_json_is_the_schema_alone(service: Service) -> None:
    """Ready for a file, and the same every time."""
    first = run(service, "show", "purchase", "--json").stdout
    Draft202012Validator.check_schema(json.loads(first))
    assert run(service, "show", "purchase", "--json").stdout == first


def test_show_names_the_known_types_where_there_is_none(service: Service) -> None:
    """A wrong word on the command line is wrong usage."""
    result = run(service, "show", "vieew")
    assert result.exit_code == 2
    assert "view, engagement, purchase, stream, session" in result.stderr


def test_validate_tells_each_mistake_with_its_line(service: Service, tmp_path: Path) -> None:
    """Blank lines count as lines; what is no event at all is told in the same form."""
    path = tmp_path / "events.ndjson"
    path.write_text(f"{GOOD}\n\n{BAD}\nnonsense\n")
    result = run(service, "validate", str(path))
    assert result.exit_code == 1
    assert f"{path}:3: data.contentTipe: is not a field of a view event; did you mean contentType? (UNKNOWN_FIELD)" in (
        result.stdout
    )
    assert f"{path}:4: " in result.stdout
    assert result.stdout.endswith("3 events: 1 valid, 2 invalid\n")


@pytest.mark.parametrize(
    "text", [GOOD, json.dumps(json.loads(GOOD), indent=2), f"[{GOOD},\n{GOOD}]"], ids=["line", "document", "list"]
)
def test_validate_takes_lines_and_documents(service: Service, text: str) -> None:
    """All valid: exit code 0, and a word about what could be better."""
    result = run(service, "validate", "-", text=text)
    assert result.exit_code == 0, result.output
    assert "timestamp is missing" in result.stdout
    assert "0 invalid" in result.stdout


def test_validate_as_json_is_one_document(service: Service, tmp_path: Path) -> None:
    """Counts, and one result an event; gzip is seen by what the file holds."""
    path = tmp_path / "events"
    path.write_bytes(gzip.compress(f"{GOOD}\n{BAD}\n".encode()))
    result = run(service, "validate", str(path), "--json")
    told = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (told["events"], told["valid"], told["invalid"]) == (2, 1, 1)
    assert [each["line"] for each in told["results"]] == [1, 2]
    (violation,) = told["results"][1]["violations"]
    assert (violation["field"], violation["rule"]) == ("data.contentTipe", "UNKNOWN_FIELD")


UNREADABLE = {
    "20 digits": GOOD.replace('"post-123"', '"p", "metadata": {"n": 99999999999999999999}').encode(),
    "lone surrogate": GOOD.replace("post-123", r"\ud800").encode(),
    "NaN": GOOD.replace('"post-123"', "NaN").encode(),
    "deep": GOOD.replace('"post-123"', "[" * 5_000 + "]" * 5_000).encode(),
    "bad UTF-8": GOOD.encode().replace(b"post-123", b"\xff"),
    "5,000 digits": GOOD.replace('"post-123"', "9" * 5_000).encode(),
    "huge": GOOD.replace("post-123", "x" * 2_000_000).encode(),
}


@pytest.mark.finding(29)
@pytest.mark.parametrize("unreadable", UNREADABLE.values(), ids=UNREADABLE)
@pytest.mark.parametrize("form", ["lines", "list"])
def test_validate_says_of_each_event_that_nobody_can_read_what_is_wrong(
    service: Service, tmp_path: Path, unreadable: bytes, form: str
) -> None:
    """In a line, without a traceback, and goes on with the next."""
    path = tmp_path / "events.json"
    events = [GOOD.encode(), unreadable, GOOD.encode()]
    path.write_bytes(b"\n".join(events) if form == "lines" else b"[" + b",".join(events) + b"]")
    result = run(service, "validate", str(path))
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"{path}:2: ")
    assert len(lines[0]) < 500
    assert lines[-1] == "3 events: 2 valid, 1 invalid"


def test_validate_tells_a_broken_document_and_a_missing_service(service: Service, tmp_path: Path) -> None:
    """Wrong usage is 2, nobody there is 3."""
    assert run(service, "validate", "-", text="[1,\n").exit_code == 2
    path = tmp_path / "events.ndjson"
    path.write_text(GOOD)
    assert CliRunner().invoke(schemas.command, ["validate", str(path), "--address", "127.0.0.1:1"]).exit_code == 3
