"""Import files: formats, compression, damage and bounds."""

import gzip
from pathlib import Path

import pytest

from cli.command_error import CommandError
from cli.import_ import sources
from cli.import_.csv_source import csv_header, csv_records
from cli.import_.records import RecordError
from cli.import_.sources import dataset_of, json_records, open_file


def read_json(path: Path) -> list[tuple[int, str]]:
    """Read all records of a file of JSON lines as (line, text or reason)."""
    with open_file(str(path)) as file:
        return [
            (source.line, str(record) if isinstance(record, RecordError) else record.decode())
            for source, record in json_records(file)
        ]


def read_csv(path: Path) -> tuple[list[str], list[tuple[int, object]]]:
    """Read header and records of a CSV file; a rejected one as its reason."""
    with open_file(str(path)) as file:
        header = csv_header(file, ",")
        file.take_lines()
        return header, [(s.line, str(r) if isinstance(r, RecordError) else r) for s, r in csv_records(file, ",")]


@pytest.mark.parametrize("name", ["plain.ndjson", "lying.gz", "odd.name"])
@pytest.mark.parametrize("compressed", [False, True])
def test_gzip_is_recognised_by_content(tmp_path: Path, name: str, compressed: bool) -> None:  # noqa: FBT001 - a parameter
    """The name of a file does not matter."""
    path = tmp_path / name
    content = b'{"a": 1}\n\n  {"b": 2}  \r\n{"c": 3}'
    path.write_bytes(gzip.compress(content) if compressed else content)
    assert read_json(path) == [(1, '{"a": 1}'), (3, '{"b": 2}'), (4, '{"c": 3}')]


def test_files_of_several_gzip_members_are_read_whole(tmp_path: Path) -> None:
    """Compressed logs are often appended to each other."""
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"1\n") + gzip.compress(b"2\n"))
    assert read_json(path) == [(1, "1"), (2, "2")]


def test_progress_counts_compressed_bytes(tmp_path: Path) -> None:
    """At the end all of the file has been consumed."""
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"1\n" * 100_000))
    with open_file(str(path)) as file:
        assert sum(1 for _ in file) == 100_000
        assert file.consumed_bytes == file.size_bytes == path.stat().st_size


def test_a_damaged_file_is_told_with_the_line_before(tmp_path: Path) -> None:
    """A cut download yields lines up to about the damage, then an error that says where."""
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(b"\n".join(b"%d" % number for number in range(200_000)))[:-1000])
    with open_file(str(path)) as file, pytest.raises(CommandError, match=r"cut\.gz: cannot be read beyond line \d{5}"):
        for _ in file:
            pass


def test_a_file_that_is_cut_off_in_its_first_line_is_told_so(tmp_path: Path) -> None:
    """There is no line 0 to speak of."""
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(b"x" * 1000)[:15])
    told = r"cut\.gz: cannot be read at all, not even its first line: it is compressed and cut off"
    with pytest.raises(CommandError, match=told):
        read_json(path)


@pytest.mark.parametrize("content", [b'{\n  "events": []\n}\n', b"\n[\n]\n", b'[{"a": 1}, {"a": 2}]'])
def test_a_document_is_told_once(tmp_path: Path, content: bytes) -> None:
    """Its lines are no events, so none is looked at."""
    path = tmp_path / "events.json"
    path.write_bytes(content)
    with pytest.raises(CommandError, match=r"events\.json: line \d begins a JSON document") as caught:
        read_json(path)
    assert "report events --ndjson" in caught.value.message
    assert caught.value.exit_code == 2


def test_lines_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that is too long is rejected, whatever its length, and those behind it are read."""
    monkeypatch.setattr(sources, "MAX_LINE_BYTES", 8)
    path = tmp_path / "long.ndjson"
    path.write_bytes(b"1234567\n12345678\n" + b"x" * 100 + b"\n2\n" + b"y" * 9)
    reason = "is longer than 8 bytes"
    assert read_json(path) == [(1, "1234567"), (2, reason), (3, reason), (4, "2"), (5, reason)]


def test_csv_rows_may_be_quoted_and_span_lines(tmp_path: Path) -> None:
    """Blank lines are left out, a byte order mark is not part of the first name, names are stripped."""
    path = tmp_path / "a.csv"
    path.write_bytes(b'\xef\xbb\xbfname, note\r\n"a","x,y"\r\n\r\n"b","two\r\nlines"\r\n')
    assert read_csv(path) == (["name", "note"], [(2, ["a", "x,y"]), (5, ["b", "two\r\nlines"])])


def test_csv_that_cannot_be_read_is_rejected_row_by_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell beyond the csv module's bound, a long line and foreign bytes do not end the file."""
    monkeypatch.setattr(sources, "MAX_LINE_BYTES", 200_000)
    path = tmp_path / "a.csv"
    path.write_bytes(b"a\n" + b"x" * 140_000 + b"\n" + b"y" * 300_000 + b"\n\xff\n1\n")
    _, rows = read_csv(path)
    assert [line for line, _ in rows] == [2, 3, 4, 5]
    assert [row for _, row in rows][2:] == [["\udcff"], ["1"]]
    assert "is not CSV: field larger than field limit" in str(rows[0][1])
    assert "is longer than" in str(rows[1][1])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "must begin with a header line that names the columns"),
        (b"\n1\n", "must begin with a header line that names the columns"),
        (b"a,b,a\n", "names these columns twice: a"),
        (b"\xff\xfea\x00\n", "line 1 is UTF-16; convert it, for example with: iconv -f UTF-16 -t UTF-8"),
        ("größe,b\n".encode("cp1252"), "is not a CSV header in UTF-8.* iconv -f WINDOWS-1252 -t UTF-8"),
        (b"1,2024-01-01,1\n", "holds numbers or dates, not the names of columns"),
        (b'{"userId": "secret"}\n', "line 1 looks like JSON, not like a CSV header"),
    ],
)
def test_a_header_must_name_the_columns(tmp_path: Path, content: bytes, told: str) -> None:
    """A file without usable names cannot be mapped."""
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(CommandError, match=told) as caught:
        read_csv(path)
    assert caught.value.exit_code == 2
    assert "secret" not in caught.value.message


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """A wrong path and a folder are mistakes of the command line."""
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(CommandError) as caught, open_file(str(path)):
            pass
        assert str(path) in caught.value.message
        assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("examples/cdnow.csv.gz", "cdnow"),
        ("2024.01.ndjson", "2024.01"),
        ("a.b.JSONL.GZ", "a.b"),
        ("plain", "plain"),
        (".csv", ".csv"),
        ("-", "-"),
    ],
)
def test_dataset_is_the_name_without_format(path: str, name: str) -> None:
    """Only endings that tell the format are left out."""
    assert dataset_of(path) == name
