"""The languages: every message has its Swedish, and numbers and times read as people write them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from rheod.domain.errors import Text, counted
from rheod.web.language import Language, chosen, iso
from tests.stores import NOW_MS
from tests.web.messages import PACKAGE, bare_sentences, catalogue, messages, of_module

PLACE = re.compile(r"\{\w+\}")
DAY_MS = 86_400_000

SWEDISH, ENGLISH = (Language(code, now=lambda: NOW_MS) for code in ("sv", "en"))


def test_every_message_has_its_swedish_and_the_catalogue_no_more() -> None:
    """Run `python -m tests.web.messages` after a change, and translate what it adds."""
    wanted = messages()
    swedish = {
        each.id if isinstance(each.id, str) else tuple(each.id): each.string
        for each in catalogue()
        if each.id
    }
    assert len(wanted) > 600
    assert {text: place for text, place in wanted.items() if not swedish.get(text)} == {}
    assert [text for text in swedish if text not in wanted] == []


def test_every_form_is_translated_and_fills_the_same_places() -> None:
    """A `{name}` missing from a translation would lose a figure; an unknown one would be an error page."""
    for each in catalogue():
        forms = (each.id,) if isinstance(each.id, str) else each.id
        swedish = (each.string,) if isinstance(each.string, str) else tuple(each.string or ())
        assert len(forms) == len(swedish), each.id
        for english, text in zip(forms, swedish, strict=True):
            assert bool(text) or not english, each.id
            assert sorted(PLACE.findall(english)) == sorted(PLACE.findall(text)) or not english, each.id


def test_a_message_that_is_no_literal_is_found(tmp_path: Path) -> None:
    """Nobody could translate it."""
    module = tmp_path / "made.py"
    module.write_text('Text("fine {n}", n=1)\ncounted("{n} day", "{n} days", 2)\n')
    assert [text for _, text in of_module(module)] == ["fine {n}", ("{n} day", "{n} days")]
    module.write_text("Text(made_up)\n")
    with pytest.raises(AssertionError, match="literal"):
        list(of_module(module))


def test_no_reason_is_kept_as_plain_english(tmp_path: Path) -> None:
    """Mypy wants a Text of every error that is raised; the reasons of jobs and listings are looked for here."""
    behind = [
        path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] not in {"cli", "sandbox"}
    ]
    assert [place for path in behind for place in bare_sentences(path)] == []
    module = tmp_path / "made.py"
    module.write_text(
        'Retry(reason="not yet")\nHold(f"{n} wait")\nHold(Text("fine now"))\n_log.info("x", reason="a b")\n'
    )
    assert [place.rpartition(":")[2] for place in bare_sentences(module)] == ["1", "2"]


@pytest.mark.parametrize(
    ("sentence", "swedish"),
    [
        (Text("Nothing is in doubt about this item's ad"), "Inget är osäkert med artikelns annons"),
        (
            Text(
                "No picture could be used: {why}",
                why=Text("{host} answered {status} for the picture", host="shop.se", status=404),
            ),
            "Ingen bild kunde användas: shop.se svarade 404 på bilden",
        ),
        (
            Text("the picture cannot be read: {why}", why="{0} {why}\n"),
            "bilden går inte att läsa: {0} {why}\n",
        ),
        (Text.of("Bad {request}"), "Bad {request}"),
        (counted("{n} day", "{n} days", 1), "1 dag"),
        (counted("{n} day", "{n} days", 2), "2 dagar"),
        ("Tradera answered 400 to create: Bad", "Tradera answered 400 to create: Bad"),
        (Text("nobody has translated this"), "nobody has translated this"),
    ],
)
def test_a_sentence_from_behind_the_pages_is_said_in_swedish(sentence: str, swedish: str) -> None:
    """Also what it cites; what an earlier version stored, and everything for an English reader, stays as it is."""
    assert SWEDISH.say(sentence) == swedish
    assert ENGLISH.say(sentence) == sentence


def test_counts_and_moments_in_a_sentence_are_written_as_the_reader_writes_them() -> None:
    """Without a thousand run together, and without the digits of a database."""
    coming = counted(
        "{fits}; {n} waits and goes out {at}",
        "{fits}; {n} wait, the last goes out {at}",
        1200,
        fits="-",
        at="2026-05-26 12:00",
    )
    assert SWEDISH.say(coming) == "-; 1\N{NO-BREAK SPACE}200 väntar, den sista går ut 26 maj 2026 12:00"
    assert ENGLISH.say(coming) == "-; 1\N{NO-BREAK SPACE}200 wait, the last goes out 26 May 2026 12:00"


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


def test_a_daemon_that_shows_no_page_loads_neither_babel_nor_jinja() -> None:
    """They take seven megabytes and a third of a second; most daemons show no page for days."""
    code = (
        "import sys, rheod.cli.main, rheod.compose.build, rheod.web.dashboard;"
        " print([name for name in sys.modules if name.partition('.')[0] in ('babel', 'jinja2')])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_numbers_and_times_read_naturally() -> None:
    """Spaces between thousands, a decimal comma, the clock alone for today, Swedish time, one day and two days."""
    assert SWEDISH.kr(123_456_50) == "123\N{NO-BREAK SPACE}456,50\N{NO-BREAK SPACE}kr"
    assert ENGLISH.kr(110_000) == "1\N{NO-BREAK SPACE}100\N{NO-BREAK SPACE}kr"
    assert SWEDISH.when(NOW_MS) == "12:00"
    assert SWEDISH.when(NOW_MS - DAY_MS) == "25 maj 12:00"
    assert ENGLISH.when(NOW_MS - DAY_MS) == "25 May 12:00"
    assert ENGLISH.ago(NOW_MS - 3 * 3_600_000) == "3\N{NO-BREAK SPACE}h ago"
    assert SWEDISH.ago(NOW_MS + 3 * DAY_MS) == "om 3 dagar"
    assert ENGLISH.ngettext("{n} day", "{n} days", 1) == "1 day"
    assert SWEDISH.ago(None) == "aldrig"
    assert (SWEDISH.month("2026-05"), ENGLISH.month("2026-05")) == ("maj 2026", "May 2026")
    assert SWEDISH.when(253_402_300_799_000) == "1 jan. 9999 01:00"
    assert iso(253_402_300_799_000).startswith("9999-01-01T01:00")
