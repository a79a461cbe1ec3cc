"""Documents, docstrings and messages avoid phrases that English technical prose does not use."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PHRASES = re.compile(
    r"\bfor ever\b"
    r"|\b(?:let|lets|letting) go of\b"
    r"|\b(?:tell|tells|telling|told)(?: \w+){0,3} apart\b"
    r"|\bwho reads this\b"
    r"|\bsuch as have\b"
    r"|\bmakes of\b",
    re.IGNORECASE,
)
WORDS = re.compile(
    r"\b(?:tells|told)\b"
    r"|\btexts\b"
    r"|\b(?:a|any|each|empty|no|single) text\b"
    r"|\b(?:an|its|each|every|earlier|whose) answer\b"
    r"|\b(?:is|are|be|was) away\b"
    r"|\b(?:mend|mends|mended)\b",
    re.IGNORECASE,
)
"""Words that stand for others: say, report or show; string or message; response; unavailable; correct or fix."""
BREAK = re.compile(r"\s*\n[ \t]*(?:#|--|//|\*)?[ \t]*")
"""The end of a line with the comment sign of the next, so that a phrase is found when it is wrapped."""

NOT_PROSE = ("generated/", "proto/released.json", "LICENSE", "tests/fuzz/corpus/", "tests/unit/test_prose.py")
"""Generated code, a licence text, bytes of a fuzzer, and the list of phrases above."""


def find_phrases(text: str, phrases: re.Pattern[str] = PHRASES) -> list[tuple[int, str]]:
    """Find phrases in a document.

    Returns:
        Line number, counted from 1, and phrase of each, in order.
    """
    lines: list[int] = []
    joined: list[str] = []
    line, begin = 1, 0
    for gap in BREAK.finditer(text):
        piece = text[begin : gap.start()] + " "
        joined.append(piece)
        lines += [line] * len(piece)
        line += gap.group().count("\n")
        begin = gap.end()
    joined.append(text[begin:])
    lines += [line] * len(text[begin:])
    return [(lines[match.start()], match.group()) for match in phrases.finditer("".join(joined))]


def tracked_texts() -> dict[str, str]:
    """Read every tracked text file that people write, by its path."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    texts = {}
    for name in filter(None, listed.stdout.split("\0")):
        if name.startswith(NOT_PROSE) or name.endswith((".lock", ".gz")) or not (ROOT / name).is_file():
            continue
        texts[name] = (ROOT / name).read_text(encoding="utf-8")
    return texts


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It is kept For Ever.", [(1, "For Ever")]),
        ("Events for every type.", []),
        ("# The job lets\n# go of old events.", [(1, "lets go of")]),
        ("-- two rows\n-- cannot be told apart\n", [(2, "told apart")]),
        ("a session that\n\nwho reads this makes of rows", [(3, "who reads this"), (3, "makes of")]),
    ],
)
def test_phrases_are_found_with_their_lines(text: str, found: list[tuple[int, str]]) -> None:
    """Across line breaks and comment signs, too."""
    assert find_phrases(text) == found


@pytest.mark.processes
def test_documents_and_the_contract_use_the_words_of_the_field() -> None:
    """Code has these words in names, so its comments are left to reviewers."""
    found = [
        f"{name}:{line}: {word}"
        for name, text in tracked_texts().items()
        if name.endswith((".md", ".proto")) and not name.startswith("tests/")
        for line, word in find_phrases(text, WORDS)
    ]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.processes
@pytest.mark.finding(34)
def test_no_tracked_file_has_an_unidiomatic_phrase() -> None:
    """The message of a failure lists each as file:line."""
    texts = tracked_texts()
    assert "README.md" in texts
    found = [f"{name}:{line}: {phrase}" for name, text in texts.items() for line, phrase in find_phrases(text)]
    assert not found, "\n" + "\n".join(found)
