"""The languages: every English text of the pages has its Swedish, and numbers and times read as people write them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from rheod.domain import findings
from rheod.web import words_sv
from rheod.web.words import Words, chosen, iso
from tests.bookkeeping import NOW_MS

WEB = Path(words_sv.__file__).parent
CALLED = re.compile(r"""\bt\(\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')""")
SOURCES = [*sorted(WEB.glob("templates/**/*.html")), *sorted(WEB.glob("*.py"))]


def texts(path: Path) -> list[str]:
    """The English texts that a template or module hands to `t`."""
    return [first or second for first, second in CALLED.findall(path.read_text())]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_text_has_its_swedish(path: Path) -> None:
    """A text without translation would show English in a Swedish page."""
    assert [text for text in texts(path) if text not in words_sv.SWEDISH] == []


def test_every_finding_has_its_swedish() -> None:
    """The sentences of the rules, which the pages translate when they show them."""
    rules = ast.parse(Path(findings.__file__).read_text())
    said = [
        ast.literal_eval(keyword.value)
        for call in ast.walk(rules)
        if isinstance(call, ast.Call)
        for keyword in call.keywords
        if keyword.arg in {"text", "fix"}
    ]
    assert len(said) > 20
    assert [text for text in said if text not in words_sv.SWEDISH] == []


def test_translations_fill_the_same_places() -> None:
    """A `{name}` missing from a translation would lose a figure."""
    places = re.compile(r"\{\w+\}")
    for english, swedish in words_sv.SWEDISH.items():
        assert sorted(places.findall(english)) == sorted(places.findall(swedish)), english


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "sv"),
        ("en", "en"),
        ("sv;q=0.3, en;q=0.8", "en"),
        ("en;q=0, sv", "sv"),
        ("da, en;q=0.9", "sv"),
        (";;q=x", "sv"),
    ],
)
def test_the_browser_chooses(header: str, language: str) -> None:
    """Accept-Language with its weights; nonsense gives Swedish."""
    assert chosen(header) == language


def test_numbers_and_times_read_naturally() -> None:
    """Spaces between thousands, a decimal comma in Swedish, the clock alone for today, Swedish time."""
    swedish, english = (Words(language, now=lambda: NOW_MS) for language in ("sv", "en"))
    assert swedish.kr(123_456_50) == "123\N{NO-BREAK SPACE}456,50\N{NO-BREAK SPACE}kr"
    assert english.kr(110_000) == "1\N{NO-BREAK SPACE}100\N{NO-BREAK SPACE}kr"
    assert swedish.when(NOW_MS) == "12:00"
    assert swedish.when(NOW_MS - 86_400_000) == "25 maj 12:00"
    assert english.ago(NOW_MS - 3 * 3_600_000) == "3\N{NO-BREAK SPACE}h ago"
    assert swedish.ago(NOW_MS + 3 * 86_400_000) == "om 3 dagar"
    assert swedish.ago(None) == "aldrig"
    assert swedish.when(253_402_300_799_000) == "1 jan 9999 01:00"
    assert iso(253_402_300_799_000).startswith("9999-01-01T01:00")
